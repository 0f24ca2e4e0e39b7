import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { REBALANCE_PLANS } from '../../../api/resources.ts';
import { PIN_BASELINE, PLAN_FINALIZER } from '../state/labels.ts';
import { type StepOf, type Writer, writeIfThere } from './writer.ts';

/** Writes to the metadata of the plan, on the resourceVersion that the step was decided with. */

export const preparePlan = async (
  w: Writer,
  { metadata }: RebalancePlan,
  step: StepOf<'prepare'>,
): Promise<void> => {
  const body = {
    metadata: {
      resourceVersion: metadata.resourceVersion,
      finalizers: [...new Set([...(metadata.finalizers ?? []), PLAN_FINALIZER])],
      annotations: { [PIN_BASELINE]: JSON.stringify(step.baseline) },
    },
  };
  await w.client.patch(REBALANCE_PLANS, { name: metadata.name }, body, { signal: w.signal });
};

/** Removes the finalizer once the plan's savings are counted. */
export const removeFinalizer = async (w: Writer, plan: RebalancePlan): Promise<void> => {
  const { metadata } = plan;
  await w.account.add(plan, w.signal);
  const finalizers = (metadata.finalizers ?? []).filter((f) => f !== PLAN_FINALIZER);
  const body = { metadata: { resourceVersion: metadata.resourceVersion, finalizers } };
  await writeIfThere(w.client.patch(REBALANCE_PLANS, { name: metadata.name }, body, { signal: w.signal }));
};
