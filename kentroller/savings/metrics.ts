import type { Registry } from 'prom-client';
import { Gauge } from 'prom-client';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { Cache } from '../../kube/cache/cache.ts';

/** True for a plan that ended with success. */
export const isDone = (plan: RebalancePlan): boolean =>
  plan.status?.state === 'Done' || plan.status?.state === 'DoneWithWarnings';

/** USD per month that a plan saves, as measured at its end; 0 unless it is done and the prices were known then. */
export const savedMonthly = (plan: RebalancePlan): number =>
  isDone(plan) ? Number(plan.status?.achievedOutcome?.savingsCostMonthly ?? 0) || 0 : 0;

/** Registers gauges of the plans by state and of their monthly savings, computed from the cache at each scrape. */
export const registerPlanMetrics = (plans: Cache<RebalancePlan>, registry: Registry): void => {
  new Gauge({
    name: 'kentroller_rebalance_plans',
    help: 'RebalancePlans by state',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.reset();
      for (const plan of plans.list()) this.inc({ state: plan.status?.state ?? 'Pending' });
    },
  });
  new Gauge({
    name: 'kentroller_saved_monthly_usd',
    help: 'USD per month saved by the RebalancePlans that still exist',
    registers: [registry],
    collect() {
      this.set(plans.list().reduce((sum, plan) => sum + savedMonthly(plan), 0));
    },
  });
};
