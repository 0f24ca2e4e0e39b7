import type { Pod, Taint } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import { fits, type NodeInfo, type Refusal } from '../scheduling/fit.ts';
import { requiredAffinity, requiredAntiAffinity } from '../scheduling/interpodaffinity.ts';
import { podRequests } from '../scheduling/noderesources.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import { requiredSpread } from '../scheduling/topologyspread.ts';

/** How a pod is pinned; `leave` means that the pin can't hold and kube-scheduler decides alone. */
export type PinMethod = 'bind' | 'assign' | 'hold' | 'nominate' | 'leave';

export interface Pin {
  readonly way: PinMethod;
  /** Why this way, for logs, events and `explain`. */
  readonly reason: string;
}

export interface PinContext {
  readonly pod: Pod;
  /** The node with the pods on it and those promised to it; undefined while it does not stand. */
  readonly node: NodeInfo | undefined;
  /** Whether the machine is up: its kubelet says Ready. */
  readonly isReady: boolean;
  /** `admission`: the pod is being created; `pending`: it is there and waits for a node. */
  readonly at: 'admission' | 'pending';
  /** Names of taints that the pinner put there itself, or that go by themselves when the machine joins. */
  readonly ownTaints: ReadonlySet<string>;
  /**
   * Names of the node's taints that go by themselves once its machine is set up; a pod waits for no other. Left out
   * where that is not known: then it waits for all.
   */
  readonly startupTaints?: ReadonlySet<string>;
  /** Name of our scheduling gate. */
  readonly gate: string;
  /** Another webhook may still change the pod: nothing is decided before it is final. */
  readonly isCoexisting?: boolean;
}

const PLAIN_RESOURCES = new Set(['cpu', 'memory', 'ephemeral-storage', 'pods']);

/**
 * Taints of a node's life: they come and go with its machine, and a kubelet admits pods in spite of them. Pods
 * tolerate the NoExecute ones for five minutes by default.
 */
const isLifecycle = (taint: Taint): boolean =>
  taint.key.startsWith('node.kubernetes.io/') || taint.key.startsWith('node.cloudprovider.kubernetes.io/');

/** Why a pod is not for pinning at all, or null. */
const unpinnableReason = (pod: Pod): string | undefined => {
  const kind = controllerOf(pod)?.kind;
  if (kind === 'DaemonSet') return 'pods of DaemonSets have their node already';
  if (kind === 'Node') return 'a static pod belongs to its kubelet';
  return undefined;
};

/** What kube-scheduler has to do on the pod's node as it binds it, or null. */
const bindingReason = (pod: Pod): string | undefined => {
  if ((pod.spec.resourceClaims ?? []).length > 0) return 'it has resource claims to allocate';
  for (const volume of pod.spec.volumes ?? []) {
    if (volume.persistentVolumeClaim || volume.ephemeral)
      return `its volume ${volume.name} may have to be bound`;
  }
  return undefined;
};

/** What other nodes and pods have a say in, so that one node can't be promised, or null. */
export const dependsOnOthers = (pod: Pod): string | undefined => {
  if (requiredSpread(pod).length > 0) return 'its topology spread depends on all nodes';
  if (requiredAffinity(pod).length > 0 || requiredAntiAffinity(pod).length > 0) {
    return 'its affinity to other pods depends on all nodes';
  }
  if (pod.spec.schedulingGroup) return 'its group is scheduled all or none';
  return undefined;
};

/** The resources that a kubelet counts only once its machine is up, and how much of each the pod asks. */
export const devicesOf = (pod: Pod): readonly (readonly [string, number])[] =>
  [...podRequests(pod)].filter(([resource, asked]) => asked > 0 && !PLAIN_RESOURCES.has(resource));

/** A misfit that does not go away while the pod and the node are what they are. */
const isLasting = (refusal: Refusal): boolean =>
  refusal.code === 'NodeAffinity' || refusal.code === 'NodeName';

/**
 * Chooses how one pod is pinned to one node. `bind` and `assign` need a pod that is safe to bind early: it has a
 * controller, asks for plain resources only, leaves nothing to kube-scheduler (volumes, claims, gates, spread,
 * affinity to pods), tolerates what would evict it and fits what is left. All else is nominated or held until the
 * machine is ready. Throws a QuantityError.
 */
export const choosePin = (s: PinContext): Pin => {
  const { pod, node } = s;
  const early: PinMethod = s.at === 'admission' ? 'assign' : 'bind';
  const refused = unpinnableReason(pod);
  if (refused) return { way: 'leave', reason: refused };
  const gates = (pod.spec.schedulingGates ?? []).map((gate) => gate.name);
  const foreignGate = gates.find((name) => name !== s.gate);
  if (foreignGate)
    return { way: 'nominate', reason: `its scheduling gate ${foreignGate} is not ours to lift` };
  const late: PinMethod = gates.length > 0 || s.at === 'admission' ? 'hold' : 'nominate';
  if (!controllerOf(pod)) return { way: 'nominate', reason: 'it has no controller that would replace it' };
  if (!node) return { way: late, reason: 'its node does not stand yet' };

  const taints = node.taints.filter((taint) => !s.ownTaints.has(taint.key) && !isLifecycle(taint));
  const refusal = fits(pod, { ...node, taints: [] });
  if (refusal && isLasting(refusal)) return { way: 'leave', reason: refusal.message };
  const taint = untoleratedTaint(taints, pod.spec.tolerations);
  if (taint && s.startupTaints && !s.startupTaints.has(taint.key)) {
    return { way: 'leave', reason: `it does not tolerate ${taint.key}:${taint.effect}` };
  }
  const scheduler = bindingReason(pod) ?? dependsOnOthers(pod);
  if (scheduler) return { way: late, reason: scheduler };
  const device = devicesOf(pod)[0]?.[0];
  if (device && !(s.isReady && s.at === 'pending' && !refusal)) {
    return { way: late, reason: `${device} is there only when the machine is ready` };
  }
  if (taint) return { way: late, reason: `it does not tolerate ${taint.key}:${taint.effect} yet` };
  if (refusal) return { way: 'nominate', reason: refusal.message };
  if (s.isCoexisting && s.at === 'admission') {
    return { way: 'hold', reason: 'another webhook may change the pod after us' };
  }
  if (gates.length > 0) return { way: 'hold', reason: 'it carries our gate' };
  return { way: early, reason: 'it is safe to bind early' };
};
