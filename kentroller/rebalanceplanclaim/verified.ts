import type { Counter, Registry } from 'prom-client';
import type { Logger } from '../../kube/component/log.ts';
import { counter } from '../../kube/component/metrics.ts';
import { describeFaults, type PlanFault } from '../../planner/plan/verify/fault.ts';
import { verifyPlan } from '../../planner/plan/verify.ts';
import { type Planning, PlanningError } from './plannerworker.ts';

/** A plan that breaks a rule. It is never stored, since it shows a fault of the planner. */
export class PlanRefused extends PlanningError {
  override readonly name = 'PlanRefused';
  readonly faults: readonly PlanFault[];

  constructor(planName: string, faults: readonly PlanFault[]) {
    super(`plan ${planName} was refused, because it breaks ${describeFaults(faults)}`);
    this.faults = faults;
  }
}

/** Who asks for plans; a label of the metric. */
const SOURCES = ['claim', 'continuous', 'evictor', 'expiry', 'spot-fallback'] as const;
export type PlanSource = (typeof SOURCES)[number];

/** Counts plans that were refused, by who asked for them. */
export const countRefusals = (registry: Registry): Counter => {
  const help = 'Plans that the independent check refused; they were not stored';
  const refusals = counter(registry, 'kentroller_plans_refused_total', help, ['source']);
  for (const source of SOURCES) refusals.inc({ source }, 0);
  return refusals;
};

const LOGGED_FAULTS = 20;

/**
 * Planning whose answers are checked against the snapshot that they were made from, whichever planner gave them. Throws
 * PlanRefused for a plan that can't be carried out.
 */
export const verified =
  (
    planning: Planning,
    o: { readonly source: PlanSource; readonly refusals: Counter; readonly log: Logger },
  ): Planning =>
  async (request, timeoutMs, signal, begin) => {
    const answer = await planning(request, timeoutMs, signal, begin);
    if (!answer.plan) return answer;
    const faults = verifyPlan(request.snapshot, request.catalogue, answer.plan.spec, request.mustGo);
    if (faults.length === 0) return answer;
    o.refusals.inc({ source: o.source });
    const { planName: plan } = request;
    o.log.error({ plan, source: o.source, faults: faults.slice(0, LOGGED_FAULTS) }, 'plan refused');
    throw new PlanRefused(plan, faults);
  };
