import {
  CONTROL_PLANE,
  DRAIN_REASONS,
  DRAINING,
  KARPENTER_DISRUPTED_TAINT,
  KARPENTER_INITIALIZED,
  KARPENTER_NODEPOOL,
  NETWORK_UNAVAILABLE,
  NOT_READY,
  PREDICTED_INTERRUPTION,
  PREPARING_TAINT,
  UNINITIALIZED,
  UNREACHABLE,
  UNSCHEDULABLE,
} from './labels.ts';
import type { Node, Taint } from './objects.ts';
import { isTrue } from './records/condition.ts';
import { valueAt } from './records/valueat.ts';

/** The taints of a node but those with the key. */
export const taintsWithout = (
  { spec }: { readonly spec?: Node['spec'] | undefined },
  key: string,
): readonly Taint[] => (spec?.taints ?? []).filter((taint) => taint.key !== key);

/** Whether a node runs workloads: all but those of a control plane. */
export const isWorker = ({ metadata }: Node): boolean =>
  valueAt(metadata.labels, CONTROL_PLANE) === undefined;

/** True when the kubelet calls the node ready; a placeholder has no Ready condition. */
export const isReady = ({ status }: Node): boolean => isTrue(status?.conditions, 'Ready');

/** True once the machine's kubelet has joined; nothing else writes nodeInfo. */
export const hasJoined = (node: Node | undefined): boolean =>
  (node?.status?.nodeInfo?.kubeletVersion ?? '') !== '';

/**
 * What a new pod finds on a node. `coming`: its machine has not joined, or Karpenter has not initialized it; `sick`: it
 * would refuse the pod, or lose it soon.
 */
export type NodeHealth =
  | { readonly kind: 'coming' }
  | { readonly kind: 'healthy' }
  | { readonly kind: 'sick'; readonly reason: string };

/** Taints and conditions of a node that takes no pods, however new its machine is, and what they mean. */
const AILMENTS: readonly {
  readonly taint: string;
  readonly condition?: string;
  readonly reason: string;
}[] = [
  {
    taint: 'node.kubernetes.io/memory-pressure',
    condition: 'MemoryPressure',
    reason: 'its node is short of memory',
  },
  {
    taint: 'node.kubernetes.io/disk-pressure',
    condition: 'DiskPressure',
    reason: 'its node is short of disk space',
  },
  {
    taint: 'node.kubernetes.io/pid-pressure',
    condition: 'PIDPressure',
    reason: 'its node is short of process ids',
  },
  { taint: 'node.kubernetes.io/out-of-service', reason: 'its node is out of service' },
  { taint: 'node.cloudprovider.kubernetes.io/shutdown', reason: 'its node is shut down' },
  { taint: KARPENTER_DISRUPTED_TAINT, reason: 'Karpenter is disrupting its node' },
];

/** Taints that a machine carries while it starts, and that are passed over until it has. */
const START_TAINTS: ReadonlySet<string> = new Set([
  NOT_READY,
  UNREACHABLE,
  NETWORK_UNAVAILABLE,
  UNINITIALIZED,
]);

const hasCondition = ({ status }: Node, type: string, is: string): boolean =>
  status?.conditions?.some((condition) => condition.type === type && condition.status === is) ?? false;

const hasTaint = ({ spec }: Node, key: string): boolean =>
  spec?.taints?.some((taint) => taint.key === key) ?? false;

/**
 * True while Karpenter has not initialized the node, which it does once its kubelet and its devices are ready; for a
 * machine of another autoscaler, while it is reserved for a plan.
 */
const isBeingSetUp = (node: Node): boolean => {
  const { labels } = node.metadata;
  return labels?.[KARPENTER_NODEPOOL] === undefined
    ? hasTaint(node, PREPARING_TAINT)
    : labels[KARPENTER_INITIALIZED] !== 'true';
};

const joinedHealth = (node: Node): NodeHealth => {
  const sick = (reason: string): NodeHealth => ({ kind: 'sick', reason });
  // A kubelet that has joined and fell silent is no machine on its way.
  if (hasTaint(node, UNREACHABLE) || hasCondition(node, 'Ready', 'Unknown')) {
    return sick('the kubelet of its node is silent');
  }
  if (isBeingSetUp(node)) return { kind: 'coming' };
  if (!isReady(node)) return sick('its node is not ready');
  // Kubernetes takes the taint off a moment after the kubelet says that it is ready.
  if (hasTaint(node, NOT_READY)) return { kind: 'coming' };
  return hasTaint(node, NETWORK_UNAVAILABLE) || hasCondition(node, 'NetworkUnavailable', 'True')
    ? sick('its node has no network')
    : { kind: 'healthy' };
};

/** The health of a node, as its conditions and taints tell it; the one rule for all that send pods to nodes. */
export const healthOf = (node: Node): NodeHealth => {
  if (node.metadata.deletionTimestamp) return { kind: 'sick', reason: 'its node is being deleted' };
  const ailment = AILMENTS.find(
    ({ taint, condition }) =>
      hasTaint(node, taint) || (condition !== undefined && hasCondition(node, condition, 'True')),
  );
  if (ailment) return { kind: 'sick', reason: ailment.reason };
  return hasJoined(node) ? joinedHealth(node) : { kind: 'coming' };
};

/**
 * True for a taint that a pin passes over: that of a machine which starts, on such a node alone, and the one that only
 * repeats spec.unschedulable.
 */
export const isPassedOver = ({ key }: Taint, { kind }: NodeHealth): boolean =>
  key === UNSCHEDULABLE || (kind === 'coming' && START_TAINTS.has(key));

/** True while the node's label says that a plan of ours drains it. */
export const isDrainedByPlan = ({ metadata }: Node): boolean =>
  DRAIN_REASONS.some((reason) => metadata.labels?.[DRAINING] === reason);

/** True while a node is predicted to be taken back by its cloud: no plan puts pods there. */
export const isAtRisk = ({ metadata }: Node): boolean => metadata.labels?.[PREDICTED_INTERRUPTION] === 'true';
