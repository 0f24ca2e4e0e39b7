import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { isFinished, isRunning } from '../../api/plans.ts';
import { isTerminating, podName } from '../../api/pods.ts';
import { PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { getIfServed, getOrUndefined } from '../../kube/ignore.ts';
import type { Caches } from '../caches.ts';
import { giveBackStep } from './drain/surge.ts';
import { PLAN_FINALIZER } from './state/labels.ts';
import { DETACHED_BY, recordedSurge, surgeRecordOf } from './state/surgerecord.ts';
import { hasReplicaSet } from './writes/lastlook.ts';
import { deleteForsakenPod, forgetSurge, reattachPod } from './writes/pods.ts';

const HEARSAY =
  'It says that a plan detached it from a ReplicaSet that is gone, and no plan says so: delete it if nobody needs it';

/** Whether a plan gives its detached pods back itself: while it runs, and until its finalizer goes. */
const givesBack = (plan: RebalancePlan | undefined): boolean =>
  plan !== undefined && (isRunning(plan) || (plan.metadata.finalizers?.includes(PLAN_FINALIZER) ?? false));

/**
 * Gives back detached pods whose plan no longer can: it was deleted without its finalizer, or its last process saw a
 * cache that did not show them yet. A pod whose ReplicaSet is gone is deleted where a plan has it on record, and stays where
 * the pod alone says so. Keys are pods.
 */
export const giveBackStrays = (o: {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'pods' | 'plans'>;
  readonly podRecorder: Recorder;
  readonly log: Logger;
}): Controller => {
  const { client, caches } = o;
  return {
    name: 'rebalanceplan.givebackstrays',
    sources: [
      watches(caches.pods, (pod) => (surgeRecordOf(pod) ? [podName(pod)] : [])),
      watches(caches.plans, (plan, { type }) =>
        type === 'delete' || isFinished(plan)
          ? caches.pods.by(DETACHED_BY, plan.metadata.name).map(podName)
          : [],
      ),
    ],
    reconcile: async (key, signal) => {
      const [namespace = '', name = ''] = key.split('/');
      const pod = await getOrUndefined(client.get(PODS, { name, namespace }, { signal }));
      const record = pod && surgeRecordOf(pod);
      if (!pod || !record || isTerminating(pod)) return awaitChange;
      const plan = await getIfServed(client.get(REBALANCE_PLANS, { name: record.plan }, { signal }));
      if (givesBack(plan)) return awaitChange;
      const writer = { client, signal };
      const known = plan && recordedSurge(plan, pod);
      const { hash, replicaSet } = known ?? record;
      const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void => {
        o.log.info({ plan: record.plan, pod: key, reason, message }, 'detached pod given back');
        o.podRecorder.event(PODS, pod, type, reason, `${message} (RebalancePlan ${record.plan} is over)`);
      };
      const isOrphaned = !(await hasReplicaSet(writer, namespace, replicaSet));
      // Whoever may patch a pod may have written that: it is no reason to end one, and the right to patch is none to delete.
      if (isOrphaned && !known) {
        await forgetSurge(writer, pod);
        tell('Warning', 'ReplicaForsaken', `Pod ${key} has no controller. ${HEARSAY}`);
        return awaitChange;
      }
      const step = giveBackStep(
        pod,
        { hash, replicaSet },
        new Set(isOrphaned ? [pod.metadata.uid ?? ''] : []),
      );
      if (step.kind === 'reattach') await reattachPod(writer, step);
      else await deleteForsakenPod(writer, step, replicaSet);
      tell('Normal', step.reason, step.message);
      return awaitChange;
    },
  };
};
