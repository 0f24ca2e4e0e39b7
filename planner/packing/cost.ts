import { Bill, type Billed } from '../model/billing.ts';
import type { CompiledOption } from './compiledoption.ts';
import { readers } from './matrix.ts';
import type { Problem } from './problem.ts';

const { byteAt } = readers;

/**
 * The cost of a packing in USD per hour: node prices, less what commitments cover, plus the risk of interruptions and, for
 * nodes that must go and are still there, their premiums.
 */
export class PackingCost {
  /** Whether pods on some nodes add risk. */
  readonly hasRisk: boolean;
  /** Whether every node costs its price, whatever it holds and however many nodes there are. */
  readonly isPlain: boolean;
  readonly #problem: Problem;
  readonly #bill: Bill;
  /** What the nodes that always stay cost by themselves. */
  readonly #fixed: number;
  /** Premiums of existing nodes in USD per hour, with their numbers. */
  readonly #premiums: readonly (readonly [number, number])[];
  #risk = 0;

  constructor(problem: Problem) {
    this.#problem = problem;
    this.hasRisk =
      problem.allOptions.some((option) => option.podRisk > 0) ||
      problem.existingNodes.some((existing) => (existing.podRisk ?? 0) > 0);
    this.isPlain = problem.commitments.length === 0 && !this.hasRisk;
    const staying = problem.existingNodes.flatMap(({ isCandidate, billed }) =>
      isCandidate || !billed ? [] : [billed],
    );
    this.#fixed = new Bill(problem.commitments, staying).total();
    this.#bill = new Bill(problem.commitments);
    this.#premiums = problem.existingNodes.flatMap(({ premium }, node) => (premium ? [[node, premium]] : []));
  }

  /** Counts a node that opens (1) or closes (-1). */
  count(node: Billed, sign: 1 | -1): void {
    this.#bill.count(node, sign);
  }

  addRisk(risk: number): void {
    this.#risk += risk;
  }

  /** What one more node of the option costs. */
  priceOf(option: CompiledOption): number {
    return option.covered ? this.#bill.priceOf(option) : option.price;
  }

  /** What an existing node costs with its premium; 0 when it always stays. */
  priceOfExisting(node: number, isOpen: boolean): number {
    const existing = this.#problem.existingNodes[node];
    if (!existing?.isCandidate) return 0;
    const { billed, price, premium = 0 } = existing;
    return premium + (billed && !isOpen ? this.#bill.priceOf(billed) : price);
  }

  /** Premiums of the nodes that are still open. */
  premium(open: Uint8Array): number {
    let sum = 0;
    for (const [node, premium] of this.#premiums) if (byteAt(open, node) === 1) sum += premium;
    return sum;
  }

  /** What all open nodes cost that the plan pays for, with the expected cost of interruptions and premiums. */
  total(nodes: number, open: Uint8Array, options: readonly (CompiledOption | undefined)[]): number {
    const { existingNodes, commitments } = this.#problem;
    if (commitments.length === 0) {
      let cost = this.#risk + this.premium(open);
      for (let node = 0; node < nodes; node += 1) {
        if (byteAt(open, node) === 0) continue;
        const option = options[node];
        if (option) cost += option.price;
        else {
          const existing = existingNodes[node];
          if (existing?.isCandidate) cost += existing.price;
        }
      }
      return cost;
    }
    // Counted anew each time, so that rounding errors do not add up.
    this.#bill.clear();
    for (let node = 0; node < nodes; node += 1) {
      const billed = options[node] ?? existingNodes[node]?.billed;
      if (byteAt(open, node) === 1 && billed) this.#bill.count(billed, 1);
    }
    return this.#bill.total() - this.#fixed + this.#risk + this.premium(open);
  }
}
