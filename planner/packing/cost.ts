import { Bill, type Billed } from '../model/billing.ts';
import type { CompiledOption } from './compiledoption.ts';
import type { Problem } from './problem.ts';

/** What a packing costs: prices of its nodes, commitments that take something off, and the risk of what is on spot. */
export class PackingCost {
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
      problem.allOptions.some((option) => option.podRisk > 0) ||
      problem.existingNodes.some((each) => (each.podRisk ?? 0) > 0);
    this.isPlain = problem.commitments.length === 0 && !this.hasRisk;
    const staying = problem.existingNodes.flatMap((each) =>
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
  priceOf(option: CompiledOption): number {
    return option.covered ? this.#bill.priceOf(option) : option.price;
  }

  /** What a standing node costs; nothing when it stays whatever happens. */
  priceOfExisting(node: number, isOpen: boolean): number {
    const existing = this.#problem.existingNodes[node];
    if (!existing?.isCandidate) return 0;
    return existing.billed && !isOpen ? this.#bill.priceOf(existing.billed) : existing.price;
  }

  /** USD per hour of all open nodes that the plan pays for, with what their risk is expected to cost. */
  total(nodes: number, open: Uint8Array, options: readonly (CompiledOption | undefined)[]): number {
    const { existingNodes, commitments } = this.#problem;
    if (commitments.length === 0) {
      let cost = this.#risk;
      for (let node = 0; node < nodes; node += 1) {
        if (!open[node]) continue;
        const option = options[node];
        if (option) cost += option.price;
        else if (existingNodes[node]?.isCandidate) cost += existingNodes[node]?.price ?? 0;
      }
      return cost;
    }
    // Anew each time, so that no rounding adds up.
    this.#bill.clear();
    for (let node = 0; node < nodes; node += 1) {
      const billed = options[node] ?? existingNodes[node]?.billed;
      if (open[node] && billed) this.#bill.count(billed, 1);
    }
    return this.#bill.total() - this.#fixed + this.#risk;
  }
}
