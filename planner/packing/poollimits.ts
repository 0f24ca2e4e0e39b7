import { RemainingLimits } from '../cluster/nodepoollimits.ts';
import type { CompiledOption } from './compiledoption.ts';
import type { Problem } from './problem.ts';

/** What the limits of NodePools, of the cluster and of reservations leave, counted while a packing buys and sells nodes. */
export class PoolLimits {
  readonly #limits: RemainingLimits;
  readonly #hasLimits: boolean;
  /** Machines that may still be bought, by the id of the reservation. */
  readonly #left = new Map<string, number>();

  constructor(problem: Problem) {
    const pools = new Set(problem.allOptions.map((option) => option.launchOption.pool));
    this.#limits = new RemainingLimits(pools, problem.poolUsage, problem.clusterCores);
    this.#hasLimits = !this.#limits.isEmpty();
    for (const { launchOption } of problem.allOptions) {
      const { reservation } = launchOption.offering;
      if (reservation) this.#left.set(reservation.id, reservation.left);
    }
  }

  /** Whether one more node of the option stays within the limits of its NodePool, of the cluster and of its reservation. */
  canBuy(option: CompiledOption): boolean {
    const { pool, type, offering } = option.launchOption;
    if (offering.reservation && (this.#left.get(offering.reservation.id) ?? 0) <= 0) return false;
    return !this.#hasLimits || this.#limits.allows(pool.metadata.name, type);
  }

  /** Whether no limit is exceeded by more than it did at first. */
  areKept(): boolean {
    if ([...this.#left.values()].some((left) => left < 0)) return false;
    return !this.#hasLimits || this.#limits.areKept();
  }

  /** Counts a node that is bought (1) or sold (-1). */
  countBought(option: CompiledOption, sign: 1 | -1): void {
    const { pool, type, offering } = option.launchOption;
    if (offering.reservation) {
      const { id } = offering.reservation;
      this.#left.set(id, (this.#left.get(id) ?? 0) - sign);
    }
    if (this.#hasLimits) this.#limits.count(pool.metadata.name, type, sign);
  }
}
