import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { CANCEL } from '../../api/labels.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { getIfServed } from '../../kube/ignore.ts';
import type { Caches } from '../caches.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import { readClaim, writeClaimStatus } from './claimclient.ts';
import { isCanceled, isFinished, planProgress, withState } from './claimstatus.ts';
import { claimOf } from './planobject.ts';

/** Warnings of its plans that a claim shows. */
const MAX_WARNINGS = 100;

const readPlan = async (
  client: KubeClient,
  name: string,
  signal: AbortSignal,
): Promise<RebalancePlan | undefined> => getIfServed(client.get(REBALANCE_PLANS, { name }, { signal }));

/** Shows the progress of plans in the RebalancePlanClaim that owns them, and passes the claim's cancellation on. */
export const createPlanProgressController = (o: {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'plans' | 'claims'>;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: Clock;
}): Controller => ({
  name: 'rebalanceplanclaim.follow',
  sources: [
    watches(o.caches.claims, (claim) => [claim.metadata.name]),
    watches(o.caches.plans, (plan) => {
      const owner = claimOf(plan);
      return owner ? [owner.name] : [];
    }),
  ],
  reconcile: async (name, signal) => {
    const claim = await readClaim(o.client, name, signal);
    const { rebalanceName: first, rebalanceNames = first ? [first] : [] } = claim?.status ?? {};
    if (!claim || rebalanceNames.length === 0) return awaitChange;
    const plans: (RebalancePlan | undefined)[] = [];
    for (const planName of rebalanceNames) {
      // The cache may not show a plan that was just created.
      const found = o.caches.plans.get(planName) ?? (await readPlan(o.client, planName, signal));
      plans.push(found && claimOf(found)?.uid === claim.metadata.uid ? found : undefined);
    }
    if (isCanceled(claim) && !isFinished(claim)) {
      const body = { metadata: { annotations: { [CANCEL]: 'true' } } };
      for (const { metadata } of plans.flatMap((plan) => plan ?? [])) {
        if (metadata.annotations?.[CANCEL] === 'true') continue;
        await o.client.patch(REBALANCE_PLANS, { name: metadata.name }, body, { signal });
      }
    }
    const next = planProgress(claim, plans);
    if (!next || next.state === claim.status?.state) return awaitChange;
    const warnings = plans.flatMap((plan) => plan?.status?.warnings ?? []).slice(0, MAX_WARNINGS);
    const status = withState(claim.status ?? {}, next.state, next.explanation, o.clock.now());
    await writeClaimStatus(o.client, claim, { ...status, ...(warnings.length > 0 && { warnings }) }, signal);
    o.log.info(
      { claim: name, plan: rebalanceNames.join(', '), state: next.state, ...next.explanation },
      'claim has the state of its plan',
    );
    const type = next.state === 'Failed' || next.state === 'Canceled' ? 'Warning' : 'Normal';
    o.recorder.event(REBALANCE_PLAN_CLAIMS, claim, type, next.explanation.reason, next.explanation.message);
    return awaitChange;
  },
});
