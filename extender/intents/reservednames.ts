export interface Reserved {
  readonly name: string;
  readonly plan: string;
}

interface Entry extends Reserved {
  readonly bytes: Buffer;
  readonly hash: number;
}

const hashOf = (bytes: Buffer): number => {
  let hash = 0;
  for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) | 0;
  return hash;
};

/** Slots for each name: of the thousands that are looked up, few meet one that is taken. */
const BUCKETS_PER_NAME = 32;

/** Names of reserved nodes, found by their bytes: a name of thousands is looked up without being made a string. */
export class ReservedNames {
  readonly #isOccupied: Uint8Array;
  readonly #buckets = new Map<number, Entry[]>();
  readonly #mask: number;

  /** Plans by the names of the nodes that they reserve. */
  constructor(plans: ReadonlyMap<string, string>) {
    const size = 2 ** Math.ceil(Math.log2((plans.size + 1) * BUCKETS_PER_NAME));
    this.#isOccupied = new Uint8Array(size);
    this.#mask = size - 1;
    for (const [name, plan] of plans) {
      const bytes = Buffer.from(name);
      const hash = hashOf(bytes);
      const at = hash & this.#mask;
      this.#isOccupied[at] = 1;
      const bucket = this.#buckets.get(at);
      if (bucket) bucket.push({ name, plan, bytes, hash });
      else this.#buckets.set(at, [{ name, plan, bytes, hash }]);
    }
  }

  /** The reserved node whose name these bytes are; `hash` is the polynomial of 31 over them, in 32 bits. */
  find(hash: number, bytes: Buffer, from: number, to: number): Reserved | undefined {
    const at = hash & this.#mask;
    if (this.#isOccupied[at] === 0) return undefined;
    return this.#buckets
      .get(at)
      ?.find((entry) => entry.hash === hash && entry.bytes.compare(bytes, from, to) === 0);
  }
}
