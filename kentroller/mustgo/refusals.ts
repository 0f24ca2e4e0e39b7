/** Moments at which the planner found no plan for a node, in milliseconds since 1970, the newest first, by NodeClaim. */
export type Refused = ReadonlyMap<string, readonly number[]>;

/** A refusal leaves no plan, which would remember it; a restart may forget it. */
const KEPT_MS = 24 * 3_600_000;
/** More than any wait or order depends on. */
const MOST = 30;

/** The memory of a process of nodes that the planner refused. */
export class Refusals {
  readonly #times = new Map<string, readonly number[]>();

  get refused(): Refused {
    return this.#times;
  }

  note(claims: readonly string[], now: number): void {
    for (const [claim, [newest = 0]] of this.#times) if (newest + KEPT_MS <= now) this.#times.delete(claim);
    for (const claim of claims)
      this.#times.set(claim, [now, ...(this.#times.get(claim) ?? [])].slice(0, MOST));
  }

  /** With other settings the planner may answer otherwise. */
  forget(): void {
    this.#times.clear();
  }
}
