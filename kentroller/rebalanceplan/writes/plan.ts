import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { REBALANCE_PLANS } from '../../../api/resources.ts';
import { PLAN_FINALIZER } from '../state/labels.ts';
import { type Writer, writeIfThere } from './writer.ts';

/** Writes to the metadata of the plan, on the resourceVersion that the step was decided with. */

/** Puts our finalizer on the plan, before anything that would have to be undone. */
export const preparePlan = async (w: Writer, { metadata }: RebalancePlan): Promise<void> => {
  const body = {
    metadata: {
      resourceVersion: metadata.resourceVersion,
      finalizers: [...new Set([...(metadata.finalizers ?? []), PLAN_FINALIZER])],
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
