import { capacityOf, poolNameOf, RemainingLimits } from '../cluster/nodepoollimits.ts';
import type { CompiledOption } from './compiledoption.ts';
import type { ExistingNode } from './existingnode.ts';
import type { Problem } from './problem.ts';

/** What the limits of NodePools leave, counted while a packing buys, sells, opens and closes nodes. */
export class PoolLimits {
  readonly #limits: RemainingLimits;
  readonly #hasLimits: boolean;

  constructor(problem: Problem) {
    this.#limits = new RemainingLimits(new Set(problem.allOptions.map((option) => option.launchOption.pool)));
    this.#hasLimits = !this.#limits.isEmpty();
  }

  /** Whether one more node of the option stays within the limits of its NodePool. */
  canBuy(option: CompiledOption): boolean {
    if (!this.#hasLimits) return true;
    const { pool, type } = option.launchOption;
    return this.#limits.allows(pool.metadata.name, type);
  }

  /** Whether a closed existing node may come back. */
  canReopen(existing: ExistingNode): boolean {
    if (!this.#hasLimits || !existing.capacity) return true;
    return this.#limits.allowsReturn(poolNameOf(existing.view.labels), existing.capacity);
  }

  /** Whether every NodePool is within its limits, or over them by no more than it was at first. */
  areKept(): boolean {
    return !this.#hasLimits || this.#limits.areWithin();
  }

  /** Counts a node that is bought (1) or sold (-1). */
  countBought(option: CompiledOption, sign: 1 | -1): void {
    if (!this.#hasLimits) return;
    const { pool, type } = option.launchOption;
    this.#limits.count(pool.metadata.name, capacityOf(type), sign);
  }

  /** Counts an existing node that is opened (1) or closed (-1). */
  countExisting(existing: ExistingNode, sign: 1 | -1): void {
    if (!this.#hasLimits || !existing.capacity) return;
    this.#limits.count(poolNameOf(existing.view.labels), existing.capacity, sign);
  }
}
