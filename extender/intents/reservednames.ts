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

/** Buckets per reserved name: enough that nearly every other name meets an empty bucket. */
const BUCKETS_PER_NAME = 32;

/** Reserved node names, found by their bytes, so that no string is made for each of thousands of names. */
export class ReservedNames {
  readonly #isOccupied: Uint8Array;
  readonly #buckets = new Map<number, Entry[]>();
  readonly #mask: number;

  /** `plans` maps a reserved node's name to its plan. */
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

  /** The reserved node of this name; `hash` is the polynomial of 31 over its bytes, in 32 bits. */
  find(hash: number, bytes: Buffer, from: number, to: number): Reserved | undefined {
    const at = hash & this.#mask;
    if (this.#isOccupied[at] === 0) return undefined;
    return this.#buckets
      .get(at)
      ?.find((entry) => entry.hash === hash && entry.bytes.compare(bytes, from, to) === 0);
  }
}
