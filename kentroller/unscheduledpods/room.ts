import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { backoffUntil, type Evaluation, SETTLE_MS } from './decide.ts';
import { isOpen } from './pods.ts';

/** Whether nodes are bought for the room of CapacityBuffers alone: pods come first, and what is under way is waited for. */

/** Milliseconds for which room that can't be bought is left alone. */
const REST_MS = 10_000;

export type RoomDecision = { readonly kind: 'buy' } | { readonly kind: 'wait'; readonly message: string };

const adds = ({ spec }: RebalancePlan): boolean => (spec.nodeClaimsToAdd ?? []).length > 0;
const endOf = ({ status }: RebalancePlan): number => Date.parse(status?.completionTime ?? '') || 0;

/**
 * The plan whose nodes are on their way, or have just come: what is reserved for it is no room yet, and is room a moment later.
 * Undefined for none.
 */
export const planWithNodes = (plans: readonly RebalancePlan[], now: number): string | undefined =>
  plans.find((plan) => adds(plan) && (isOpen(plan) || (isFinished(plan) && now - endOf(plan) < SETTLE_MS)))
    ?.metadata.name;

/** Until when room is left alone that could not be bought. It may be lost. */
export class RoomRests {
  #until = 0;

  rest(now: number): void {
    this.#until = now + REST_MS;
  }

  isResting(now: number): boolean {
    return this.#until > now;
  }
}

/** Undefined where no chunk is without room. */
export const decideRoom = (o: {
  readonly evaluation: Pick<Evaluation, 'pods' | 'limits'>;
  readonly missing: readonly Pod[];
  readonly plans: readonly RebalancePlan[];
  readonly rests: Pick<RoomRests, 'isResting'>;
  readonly haltedBy?: string | undefined;
  readonly now: number;
}): RoomDecision | undefined => {
  const { pods, limits } = o.evaluation;
  if (o.missing.length === 0 || pods.kind === 'off') return undefined;
  const wait = (message: string): RoomDecision => ({ kind: 'wait', message });
  if (limits.full !== undefined) return wait(limits.full);
  if (o.haltedBy !== undefined) return wait(o.haltedBy);
  if (pods.kind !== 'idle') return wait('pods that wait come first');
  if (backoffUntil(o.plans) > o.now) return wait('the last plans failed, and the next one waits');
  const plan = planWithNodes(o.plans, o.now);
  if (plan !== undefined) return wait(`plan ${plan} has nodes on their way`);
  return o.rests.isResting(o.now) ? wait('it could not be bought a moment ago') : { kind: 'buy' };
};
