import { NOT_READY, PLACEHOLDER } from '../../api/labels.ts';
import type { Intent } from '../../api/pinning.ts';
import type { Attribution } from '../../planner/karpenter/attribution.ts';
import { nodeIntentId, pinIntentId } from '../pinning/intentids.ts';
import { nodeIntent } from '../pinning/intents.ts';
import type { Machine } from './machines.ts';
import { isPinnable } from './pods.ts';

/** Stands where other intents name their plan. */
export const KARPENTER = 'karpenter';

const isPlaceholder = ({ node }: Machine): boolean => node?.metadata.labels?.[PLACEHOLDER] !== undefined;

/**
 * The Node for a machine. It is closed by Kubernetes' own taint and not by ours: Karpenter knows that one to go by
 * itself and counts on the node for pods that come later, and kube-controller-manager takes it off as soon as the
 * kubelet is ready, whatever became of us.
 */
const placeholderFor = ({ claim, nodeName }: Machine, joinDeadlineMs: number): Intent => {
  const nodeClaim = claim.metadata.name;
  const node = nodeIntent(claim, nodeName, joinDeadlineMs);
  const taints = [...node.taints, { key: NOT_READY, value: '', effect: 'NoSchedule' }];
  return {
    id: nodeIntentId(KARPENTER, nodeClaim),
    plan: KARPENTER,
    nodeClaim,
    nodeName,
    node: { ...node, taints },
  };
};

const pinFor = ({ claim, nodeName }: Machine, { pod }: Attribution): Intent => {
  const { name, namespace = 'default', uid = '' } = pod.metadata;
  const nodeClaim = claim.metadata.name;
  return {
    id: pinIntentId(KARPENTER, nodeClaim, namespace, uid),
    plan: KARPENTER,
    nodeClaim,
    nodeName,
    pin: { namespace, pod: { name, uid } },
  };
};

/**
 * What the pinner is told: a placeholder for each machine that has pods to wait for it, and as long as one stands;
 * pins as soon as it does. A placeholder that is told no more is given up with its pods, so it is told until its
 * kubelet has joined, or its claim is deleted.
 */
export const attributionIntents = (o: {
  readonly machines: readonly Machine[];
  readonly attributions: readonly Attribution[];
  /** Whether the claim's batch is known to be whole. */
  readonly isSettled: (machine: Machine) => boolean;
  readonly joinDeadlineMs: number;
}): readonly Intent[] => {
  const pods = new Map<string, Attribution[]>();
  for (const each of o.attributions.filter(({ pod }) => isPinnable(pod))) {
    const there = pods.get(each.claim);
    if (there) there.push(each);
    else pods.set(each.claim, [each]);
  }
  const ready = o.machines.filter((m) => m.nodeName !== '' && m.claim.status?.providerID);
  return ready.flatMap((machine): Intent[] => {
    const here = o.isSettled(machine) ? (pods.get(machine.claim.metadata.name) ?? []) : [];
    const node = placeholderFor(machine, o.joinDeadlineMs);
    if (!machine.node) return here.length > 0 ? [node] : [];
    return [...here.map((each) => pinFor(machine, each)), ...(isPlaceholder(machine) ? [node] : [])];
  });
};
