const NOTHING: ReadonlyMap<number, number> = new Map();

/** The movable pods that each existing node had at first, and how many of them are elsewhere now. */
export class OriginalContent {
  readonly #ofNode: readonly ReadonlyMap<number, number>[];
  readonly #mustGo: ReadonlySet<number>;
  #moved = 0;

  /** `contents` has, per existing node, pods per pod class. Pods of nodes that must go are not counted as moved. */
  constructor(contents: readonly ReadonlyMap<number, number>[], mustGo: ReadonlySet<number>) {
    this.#ofNode = contents.map((content) => new Map(content));
    this.#mustGo = mustGo;
  }

  /** Pods per pod class; none for a bought node. */
  of(node: number): ReadonlyMap<number, number> {
    return this.#ofNode[node] ?? NOTHING;
  }

  count(node: number, podClass: number): number {
    return this.#ofNode[node]?.get(podClass) ?? 0;
  }

  /** Pods that are not on the existing node that they were on, but for those whose node must go. */
  get moved(): number {
    return this.#moved;
  }

  /** Notes that a node had `before` pods of a class and has `now`. */
  recount(node: number, podClass: number, before: number, now: number): void {
    const had = this.count(node, podClass);
    if (had > 0 && !this.#mustGo.has(node)) this.#moved += Math.max(0, had - now) - Math.max(0, had - before);
  }
}
