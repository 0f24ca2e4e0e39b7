import { Bill, type Billed } from '../model/billing.ts';
import type { OfferColumn } from './compiledoption.ts';
import type { Problem } from './problem.ts';

/** What a packing costs: prices of its nodes, commitments that take something off, and the risk of what is on spot. */
export class Expense {
  readonly hasRisk: boolean;
  /** Whether every node costs its price, whatever is on it and however many there are. */
  readonly isPlain: boolean;
  readonly #problem: Problem;
  readonly #bill: Bill;
  /** What the nodes that stay whatever happens cost by themselves. */
  readonly #fixed: number;
  #risk = 0;

  constructor(problem: Problem) {
    this.#problem = problem;
    this.hasRisk =
      problem.everyColumn.some((column) => column.podRisk > 0) ||
      problem.standing.some((each) => (each.podRisk ?? 0) > 0);
    this.isPlain = problem.commitments.length === 0 && !this.hasRisk;
    const staying = problem.standing.flatMap((each) =>
      each.isCandidate || !each.billed ? [] : [each.billed],
    );
    this.#fixed = new Bill(problem.commitments, staying).total();
    this.#bill = new Bill(problem.commitments);
  }

  /** Counts a node that opens, or one that closes. */
  count(node: Billed, sign: 1 | -1): void {
    this.#bill.count(node, sign);
  }

  addRisk(risk: number): void {
    this.#risk += risk;
  }

  /** What one more node of the column costs. */
  priceOf(column: OfferColumn): number {
    return column.covered ? this.#bill.priceOf(column) : column.price;
  }

  /** What a standing node costs; nothing when it stays whatever happens. */
  priceOfStanding(node: number, isOpen: boolean): number {
    const standing = this.#problem.standing[node];
    if (!standing?.isCandidate) return 0;
    return standing.billed && !isOpen ? this.#bill.priceOf(standing.billed) : standing.price;
  }

  /** USD per hour of all open nodes that the plan pays for, with what their risk is expected to cost. */
  total(nodes: number, open: Uint8Array, columns: readonly (OfferColumn | undefined)[]): number {
    const { standing, commitments } = this.#problem;
    if (commitments.length === 0) {
      let cost = this.#risk;
      for (let node = 0; node < nodes; node += 1) {
        if (!open[node]) continue;
        const column = columns[node];
        if (column) cost += column.price;
        else if (standing[node]?.isCandidate) cost += standing[node]?.price ?? 0;
      }
      return cost;
    }
    // Anew each time, so that no rounding adds up.
    this.#bill.clear();
    for (let node = 0; node < nodes; node += 1) {
      const billed = columns[node] ?? standing[node]?.billed;
      if (open[node] && billed) this.#bill.count(billed, 1);
    }
    return this.#bill.total() - this.#fixed + this.#risk;
  }
}
