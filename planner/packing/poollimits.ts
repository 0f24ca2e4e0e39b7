import { RemainingLimits } from '../cluster/nodepoollimits.ts';
import type { CompiledOption } from './compiledoption.ts';
import type { Problem } from './problem.ts';

/** What the limits of NodePools and of the cluster leave, counted while a packing buys and sells nodes. */
export class PoolLimits {
  readonly #limits: RemainingLimits;
  readonly #hasLimits: boolean;

  constructor(problem: Problem) {
    const pools = new Set(problem.allOptions.map((option) => option.launchOption.pool));
    this.#limits = new RemainingLimits(pools, problem.poolUsage, problem.clusterCores);
    this.#hasLimits = !this.#limits.isEmpty();
  }

  /** Whether one more node of the option stays within the limits of its NodePool and of the cluster. */
  canBuy(option: CompiledOption): boolean {
    if (!this.#hasLimits) return true;
    const { pool, type } = option.launchOption;
    return this.#limits.allows(pool.metadata.name, type);
  }

  /** Whether no limit is exceeded by more than it did at first. */
  areKept(): boolean {
    return !this.#hasLimits || this.#limits.areKept();
  }

  /** Counts a node that is bought (1) or sold (-1). */
  countBought(option: CompiledOption, sign: 1 | -1): void {
    if (!this.#hasLimits) return;
    const { pool, type } = option.launchOption;
    this.#limits.count(pool.metadata.name, type, sign);
  }
}
