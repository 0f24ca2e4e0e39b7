import { isPassedOver, type NodeHealth } from '../../api/nodes.ts';
import type { Pod } from '../../api/objects.ts';
import { controllerOf, foreignSchedulerOf } from '../../api/pods.ts';
import { fits, type NodeInfo, type Refusal } from '../scheduling/fit.ts';
import { requiredAffinity, requiredAntiAffinity } from '../scheduling/interpodaffinity.ts';
import { podRequests } from '../scheduling/noderesources.ts';
import { claimedDevices } from '../scheduling/resourceclaims.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import { requiredSpread } from '../scheduling/topologyspread.ts';

/** How a pod is pinned; `leave` leaves it to kube-scheduler, because the pin can't be kept. */
export type PinMethod = 'bind' | 'assign' | 'hold' | 'nominate' | 'leave';

export interface Pin {
  readonly way: PinMethod;
  /** For logs, events and `explain`. */
  readonly reason: string;
}

export interface PinContext {
  readonly pod: Pod;
  /** The node with its pods and assumed pods; undefined while it does not exist. */
  readonly node: NodeInfo | undefined;
  /** Whether the node's kubelet reports Ready. */
  readonly isReady: boolean;
  /** Health of the node; undefined while it does not exist. */
  readonly health: NodeHealth | undefined;
  /** `admission`: the pod is being created; `pending`: it exists and waits for a node. */
  readonly at: 'admission' | 'pending';
  /** Keys of taints that the pinner set itself, or that are removed when the machine joins. */
  readonly ownTaints: ReadonlySet<string>;
  /**
   * Keys of the node's startup taints, the only ones that a pod waits for. When left out they are not known, and a pod
   * waits for every taint.
   */
  readonly startupTaints?: ReadonlySet<string>;
  /** Name of our scheduling gate. */
  readonly gate: string;
  /** Whether the node is reserved by a cordon until the pods of its DaemonSets are there. */
  readonly awaitsDaemonSets?: boolean;
  /** Whether kube-scheduler puts pods on the node, too, so that a pod assigned to it may find its room taken. */
  readonly isOpen?: boolean;
  /** Names of the schedulers whose pods are pinned; our own when left out. */
  readonly schedulers?: readonly string[];
  /** Another webhook may still change the pod, so it can't be assigned at admission. */
  readonly isCoexisting?: boolean;
}

const PLAIN_RESOURCES = new Set(['cpu', 'memory', 'ephemeral-storage', 'pods']);

/** Why a pod is never pinned. */
const unpinnableReason = ({
  pod,
  schedulers,
}: Pick<PinContext, 'pod' | 'schedulers'>): string | undefined => {
  const kind = controllerOf(pod)?.kind;
  if (kind === 'DaemonSet') return 'a pod of a DaemonSet is tied to its node';
  if (kind === 'Node') return 'a static pod is tied to its node';
  const scheduler = foreignSchedulerOf(pod, schedulers);
  return scheduler && `scheduler ${scheduler} places it`;
};

/** Why kube-scheduler has to bind the pod itself: it allocates volumes and resource claims on the way. */
const bindingReason = (pod: Pod): string | undefined => {
  if (claimedDevices(pod) !== undefined) return 'it has resource claims to allocate';
  for (const volume of pod.spec.volumes ?? []) {
    if (volume.persistentVolumeClaim || volume.ephemeral) {
      // Snapshots in files may lack any field.
      const name = volume.name ?? volume.persistentVolumeClaim?.claimName ?? 'without a name';
      return `its volume ${name} may have to be bound`;
    }
  }
  return undefined;
};

/** Why a pod's place depends on other nodes and pods, so that it can't be bound to one node early. */
export const dependsOnOthers = (pod: Pod): string | undefined => {
  if (requiredSpread(pod).length > 0) return 'its topology spread depends on all nodes';
  if (requiredAffinity(pod).length > 0 || requiredAntiAffinity(pod).length > 0) {
    return 'its affinity to other pods depends on all nodes';
  }
  if (pod.spec.schedulingGroup) return 'its pod group is scheduled all or nothing';
  return undefined;
};

/** The pod's requests for resources that a kubelet reports only once its machine is up, such as GPUs. */
export const devicesOf = (pod: Pod): readonly (readonly [string, number])[] =>
  [...podRequests(pod)].filter(([resource, amount]) => amount > 0 && !PLAIN_RESOURCES.has(resource));

/** Whether a refusal lasts as long as pod and node do. */
const isLasting = (refusal: Refusal): boolean =>
  refusal.code === 'NodeAffinity' || refusal.code === 'NodeName';

/**
 * Chooses how one pod is pinned to one node; throws a QuantityError. `bind` and `assign` are for pods that are safe to
 * bind early: they have a controller and need nothing of kube-scheduler and no device.
 */
export const choosePin = (s: PinContext): Pin => {
  const { pod, node, health } = s;
  const early: PinMethod = s.at === 'admission' ? 'assign' : 'bind';
  const refused = unpinnableReason(s);
  if (refused) return { way: 'leave', reason: refused };
  if (health?.kind === 'sick') return { way: 'leave', reason: health.reason };
  const gates = (pod.spec.schedulingGates ?? []).map((gate) => gate.name);
  const foreignGate = gates.find((name) => name !== s.gate);
  if (foreignGate)
    return { way: 'nominate', reason: `its scheduling gate ${foreignGate} is not ours to remove` };
  const late: PinMethod = gates.length > 0 || s.at === 'admission' ? 'hold' : 'nominate';
  if (!controllerOf(pod)) return { way: 'nominate', reason: 'it has no controller that would replace it' };
  if (!node) return { way: late, reason: 'its node does not exist yet' };

  const taints = node.taints.filter(
    (taint) => !s.ownTaints.has(taint.key) && !(health && isPassedOver(taint, health)),
  );
  const unschedulable = node.unschedulable && !s.awaitsDaemonSets;
  const refusal = fits(pod, { ...node, taints: [], unschedulable });
  if (refusal && isLasting(refusal)) return { way: 'leave', reason: refusal.message };
  const taint = untoleratedTaint(taints, pod.spec.tolerations);
  if (taint && s.startupTaints && !s.startupTaints.has(taint.key)) {
    return { way: 'leave', reason: `it does not tolerate ${taint.key}:${taint.effect}` };
  }
  const scheduler = bindingReason(pod) ?? dependsOnOthers(pod);
  if (scheduler) return { way: late, reason: scheduler };
  const device = devicesOf(pod)[0]?.[0];
  if (device && !(s.isReady && s.at === 'pending' && !refusal)) {
    return { way: late, reason: `${device} is available only when the machine is ready` };
  }
  if (s.awaitsDaemonSets && s.isReady) return { way: late, reason: 'its node waits for pods of DaemonSets' };
  if (taint) return { way: late, reason: `it does not tolerate ${taint.key}:${taint.effect} yet` };
  if (refusal) return { way: 'nominate', reason: refusal.message };
  if (s.isCoexisting && s.at === 'admission') {
    return { way: 'hold', reason: 'another webhook may change the pod after us' };
  }
  if (s.isOpen && s.at === 'admission') {
    return { way: 'hold', reason: 'kube-scheduler puts pods on its node, too' };
  }
  if (gates.length > 0) return { way: 'hold', reason: 'it carries our gate' };
  return { way: early, reason: 'it is safe to bind early' };
};
