import { isGated, isHeld } from '../../api/heldpods.ts';
import { marksOn, withoutMarks } from '../../api/identity/marks.ts';
import { recordedSurge, surgeRecordOf } from '../../api/identity/surgerecord.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { POD_TEMPLATE_HASH, SURGED } from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { hasEnded, podName } from '../../api/pods.ts';
import { PODS } from '../../api/resources.ts';
import { nominationBody } from '../nomination.ts';
import type { Inventory } from './inventory.ts';
import type { UndoStep } from './step.ts';

/** What is undone on pods: gates, nominations, surges and marks. */

interface PodFacts {
  readonly pod: Pod;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly replicaSetUids: ReadonlySet<string>;
  readonly plans: ReadonlyMap<string, RebalancePlan>;
}

/** True for a nomination to a Node that does not exist or has no kubelet: only the pinner and kentroller make such. */
const isNominatedByUs = ({ pod, nodes }: PodFacts): boolean => {
  const name = pod.status?.nominatedNodeName ?? '';
  return name !== '' && !pod.spec.nodeName && !hasEnded(pod) && !hasJoined(nodes.get(name));
};

/**
 * A detached pod goes back to its ReplicaSet; without one it is deleted, since no controller knows it. One that no plan has on
 * record stays: whoever may patch a pod may have written what it says.
 */
const surgeStep = ({ pod, replicaSetUids, plans }: PodFacts): UndoStep | undefined => {
  const said = surgeRecordOf(pod);
  if (!said || hasEnded(pod)) return undefined;
  const plan = plans.get(said.plan);
  const known = plan && recordedSurge(plan, pod);
  const record = known ?? said;
  const { name, namespace = 'default', uid, resourceVersion } = pod.metadata;
  const common = { resource: PODS, ref: { name, namespace }, object: `Pod ${podName(pod)}` } as const;
  if (!replicaSetUids.has(record.replicaSet.uid)) {
    if (!known) return undefined;
    return {
      ...common,
      kind: 'delete',
      ...(uid && { uid }),
      what: 'delete it: the ReplicaSet that it was detached from is gone',
    };
  }
  const metadata = {
    uid,
    resourceVersion,
    labels: { [POD_TEMPLATE_HASH]: record.hash },
    annotations: { [SURGED]: null },
    ownerReferences: null,
  };
  return {
    ...common,
    kind: 'patch',
    body: { metadata },
    what: `reattach it to ReplicaSet ${record.replicaSet.name}`,
  };
};

const stepsOf = (facts: PodFacts): readonly UndoStep[] => {
  const { pod } = facts;
  if (pod.metadata.deletionTimestamp) return [];
  const object = `Pod ${podName(pod)}`;
  if (isGated(pod)) return [{ kind: 'release-gate', pod, object, what: 'remove our scheduling gate' }];
  if (isHeld(pod)) {
    const what = 'delete it: it is tied to a node that it has not got, and its controller makes another';
    return [{ kind: 'replace-pod', pod, object, what }];
  }
  const surge = surgeStep(facts);
  if (surge) return [surge];
  const { name, namespace = 'default', uid } = pod.metadata;
  const common = { kind: 'patch', resource: PODS, ref: { name, namespace }, object } as const;
  const marks = withoutMarks(pod);
  return [
    ...(isNominatedByUs(facts)
      ? [
          {
            ...common,
            subresource: 'status' as const,
            body: nominationBody(pod, null),
            what: `remove its nomination to ${pod.status?.nominatedNodeName}`,
          },
        ]
      : []),
    ...(marks
      ? [
          {
            ...common,
            body: { metadata: { uid, ...marks } },
            what: marksOn(pod)
              .map((mark) => `remove ${mark}`)
              .join(', '),
          },
        ]
      : []),
  ];
};

/** The steps for all pods but those that are deleted with their node. */
export const podSteps = ({ pods, nodes, replicaSets, plans }: Inventory): readonly UndoStep[] => {
  const byName = new Map(nodes.map((node) => [node.metadata.name, node]));
  const replicaSetUids = new Set(replicaSets.map(({ metadata }) => metadata.uid ?? ''));
  const plansByName = new Map(plans.map((plan) => [plan.metadata.name, plan]));
  return pods.flatMap((pod) => stepsOf({ pod, nodes: byName, replicaSetUids, plans: plansByName }));
};
