import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { deletedClaims, destinationOf, isFinished, isRunning } from '../../api/plans.ts';
import { MADE_BY } from '../continuous/decide.ts';

/** What plans for nodes that must go did lately, derived from them, so that a restart forgets nothing. */

/** Finished plans that are kept whatever their age, and at most. */
const KEPT_PLANS = 10;
const MOST_PLANS = 500;

const isBy = ({ metadata }: RebalancePlan, maker: string): boolean => metadata.labels?.[MADE_BY] === maker;

export const endOf = ({ status }: RebalancePlan): number => Date.parse(status?.completionTime ?? '') || 0;

/** Whether a plan was set to run and has not ended. */
const isPending = (plan: RebalancePlan): boolean => plan.spec.execute && !isFinished(plan);

/** NodeClaims that plans which have not ended remove, fill or add. */
export const claimsInUse = (plans: readonly RebalancePlan[]): ReadonlySet<string> =>
  new Set(
    plans
      .filter(isPending)
      .flatMap((plan) => [
        ...deletedClaims(plan.spec),
        ...(plan.spec.podsToMigrate ?? []).map(destinationOf),
      ]),
  );

/** NodeClaims that plans of one maker which have not ended remove. */
export const claimsUnderWay = (plans: readonly RebalancePlan[], maker: string): readonly string[] =>
  plans.filter((plan) => isBy(plan, maker) && isPending(plan)).flatMap(({ spec }) => deletedClaims(spec));

/** The plans of one maker that have ended, the newest first. */
export const endedPlans = (plans: readonly RebalancePlan[], maker: string): readonly RebalancePlan[] =>
  plans.filter((plan) => isBy(plan, maker) && isFinished(plan)).toSorted((a, b) => endOf(b) - endOf(a));

/** Ends of the plans of one maker that ended with a NodeClaim in its place, by its name, the newest first. */
export const failuresOf = (
  plans: readonly RebalancePlan[],
  maker: string,
): ReadonlyMap<string, readonly number[]> => {
  const failures = new Map<string, number[]>();
  for (const plan of endedPlans(plans, maker)) {
    for (const claim of deletedClaims(plan.spec))
      failures.set(claim, [...(failures.get(claim) ?? []), endOf(plan)]);
  }
  return failures;
};

/** Plans of one maker to delete: those of a process that died before it had set them to run, and old ones. */
export const plansToPrune = (
  plans: readonly RebalancePlan[],
  maker: string,
  o: { readonly now: number; readonly keepMs: number },
): readonly RebalancePlan[] => {
  const unstarted = plans.filter(
    (plan) => isBy(plan, maker) && !isFinished(plan) && plan.spec.execute !== true,
  );
  const isKept = (plan: RebalancePlan, at: number): boolean =>
    at < KEPT_PLANS || (at < MOST_PLANS && endOf(plan) + o.keepMs > o.now);
  return [...unstarted, ...endedPlans(plans, maker).filter((plan, at) => !isKept(plan, at))];
};

/** Plans of one maker that have not started, which go when it is turned off. */
export const plansToWithdraw = (plans: readonly RebalancePlan[], maker: string): readonly RebalancePlan[] =>
  plans.filter((plan) => isBy(plan, maker) && isPending(plan) && !isRunning(plan));
