import type { Registry } from 'prom-client';
import { Gauge } from 'prom-client';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { Cache } from '../../kube/cache/cache.ts';

export const isDone = (plan: RebalancePlan): boolean =>
  plan.status?.state === 'Done' || plan.status?.state === 'DoneWithWarnings';

/** What a plan saves a month in USD, measured where it was; 0 while it is not done. */
export const savedMonthly = (plan: RebalancePlan): number => {
  if (!isDone(plan)) return 0;
  const { achievedOutcome, validatedSavings, savings } = plan.status ?? {};
  const measured = achievedOutcome?.savingsCostMonthly;
  const promised = (validatedSavings ?? savings)?.projectedSavingsCostMonthly;
  return Number(measured ?? promised ?? 0) || 0;
};

/** Metrics of plans by state and of the money that those which are done save; read off the plans when scraped. */
export const measurePlans = (plans: Cache<RebalancePlan>, registry: Registry): void => {
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
    help: 'USD a month that the plans which are kept in history save',
    registers: [registry],
    collect() {
      this.set(plans.list().reduce((sum, plan) => sum + savedMonthly(plan), 0));
    },
  });
};
