/** Which kinds of pods keep each other off a machine. */
export class Conflicts {
  /** Pairs of kinds, the lower one first; a kind whose pods keep each other off is a pair with itself. */
  readonly #pairs: readonly (readonly [number, number])[];
  readonly #concerned: ReadonlySet<number>;

  constructor(kinds: number, keepsOff: (kind: number, other: number) => boolean) {
    const all = Array.from({ length: kinds }, (_, kind) => kind);
    this.#pairs = all.flatMap((a) =>
      all
        .slice(a)
        .filter((b) => keepsOff(a, b) || keepsOff(b, a))
        .map((b): [number, number] => [a, b]),
    );
    this.#concerned = new Set(this.#pairs.flat());
  }

  /** Whether the kind keeps any off. */
  concerns(kind: number): boolean {
    return this.#concerned.has(kind);
  }

  /** How many pods have to go from a machine with this many of each kind, pair by pair. */
  count(countOf: (kind: number) => number): number {
    let sum = 0;
    for (const [a, b] of this.#pairs) {
      const count = countOf(a);
      if (count > 0) sum += a === b ? count - 1 : Math.max(0, Math.min(count, countOf(b)));
    }
    return sum;
  }
}
