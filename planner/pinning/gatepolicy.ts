import { type GateReleasePolicy, isGated, otherGates, withoutHold } from '../../api/heldpods.ts';
import { isReady } from '../../api/nodes.ts';
import type { Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import { fits, type NodeInfo, nodeInfoOf } from '../scheduling/fit.ts';
import { podRequests } from '../scheduling/noderesources.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import { choosePin, dependsOnOthers, devicesOf } from './pinpolicy.ts';

/**
 * What is done next for a pod behind our gate. `land`: tied to its node, gate off; where the machine is still on its
 * way, `isEarly`, the pinner binds it as well. `nominate`: gate off, the node named as a wish. `lift`: gate off, and
 * kube-scheduler decides alone.
 */
export type GateStep =
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'land'; readonly isEarly: boolean; readonly reason: string }
  | { readonly kind: 'nominate'; readonly reason: string }
  | { readonly kind: 'lift'; readonly reason: string };

export interface GateContext {
  readonly pod: Pod;
  /** The node with the other pods on it and on their way to it; undefined while it does not stand. */
  readonly node: NodeInfo | undefined;
  readonly isReady: boolean;
  /** Names of taints of ours: the pod is made to tolerate them as it lands. */
  readonly ownTaints: ReadonlySet<string>;
  /** As in Situation of pin.ts. */
  readonly startupTaints?: ReadonlySet<string>;
  readonly gate: string;
}

/** A device of the pod that the node's kubelet has not counted yet, if there is one. */
const uncountedDevice = (pod: Pod, node: NodeInfo): string | undefined => {
  const missing = devicesOf(pod).find(([resource, asked]) => {
    const taken = node.pods.reduce((sum, other) => sum + (podRequests(other).get(resource) ?? 0), 0);
    return (node.free.get(resource) ?? 0) + taken < asked;
  });
  return missing?.[0];
};

/**
 * The next step for a held pod whose plan still wants it on this node. A pod that is safe to bind early goes at once,
 * all others when their machine is ready and has what they ask. Throws a QuantityError.
 */
export const decideGate = (s: GateContext): GateStep => {
  const { node, isReady } = s;
  const pod = withoutHold(s.pod);
  const [other] = otherGates(pod);
  if (other) return { kind: 'lift', reason: `its scheduling gate ${other.name} is not ours to lift` };
  const pin = choosePin({ ...s, pod, at: 'pending' });
  if (pin.way === 'leave') return { kind: 'lift', reason: pin.reason };
  if (pin.way === 'bind' && !isReady) return { kind: 'land', isEarly: true, reason: pin.reason };
  if (!node) return { kind: 'wait', reason: 'its node does not stand yet' };
  if (!isReady) return { kind: 'wait', reason: 'its machine is not ready yet' };
  if (node.unschedulable) return { kind: 'wait', reason: 'its node is cordoned' };
  const strange = node.taints.filter(({ key }) => !s.ownTaints.has(key));
  const taint = untoleratedTaint(strange, pod.spec.tolerations);
  if (taint) return { kind: 'wait', reason: `it does not tolerate ${taint.key}:${taint.effect}` };
  const device = uncountedDevice(pod, node);
  if (device) return { kind: 'wait', reason: `the node has not counted its ${device} yet` };
  const refusal = fits(pod, { ...node, taints: [] });
  if (refusal) return { kind: 'lift', reason: refusal.message };
  const others = dependsOnOthers(pod);
  if (others) return { kind: 'nominate', reason: others };
  return { kind: 'land', isEarly: false, reason: pin.way === 'bind' ? 'its node can take it' : pin.reason };
};

export interface HoldTimeouts {
  /** How long a pod waits for somebody to land it, in milliseconds. */
  readonly timeoutMs: number;
  /** How long a pod is held at most, whatever it waits for, in milliseconds. */
  readonly longestMs: number;
}

/** A plan that has just begun may not be known to every replica yet. */
const PLAN_SEEN_MS = 3_000;

/**
 * Whoever leads lands a pod the moment that its node can take it, so a pod that is still held later was left. Other
 * pods on the node are not asked about: whether there is room is the leader's business, and kube-scheduler's.
 */
export const createGateReleasePolicy = (o: {
  readonly limits: HoldTimeouts;
  readonly ownTaints: ReadonlySet<string>;
  readonly gate: string;
  /** Whether a plan that runs moves an owner, by uid; left out where plans are not watched. */
  readonly isMoved?: (ownerUid: string) => boolean;
}): GateReleasePolicy => ({
  isDue: (pod, node) => {
    const situation = { ...o, pod, node: nodeInfoOf(node, []), isReady: isReady(node) };
    return isReady(node) && decideGate(situation).kind !== 'wait';
  },
  releaseReason: ({ pod, couldMs, leaderlessMs, heldMs }) => {
    const { timeoutMs, longestMs } = o.limits;
    if (!isGated(pod)) return undefined;
    const isMoved = o.isMoved?.(controllerOf(pod)?.uid ?? '') ?? true;
    if (!isMoved && heldMs >= PLAN_SEEN_MS) return 'no plan that runs moves its owner';
    if (couldMs !== undefined && couldMs >= timeoutMs) {
      return `its node could have taken it for ${Math.round(couldMs / 1000)} s`;
    }
    if (leaderlessMs !== undefined && leaderlessMs >= timeoutMs) return 'nobody leads the pod pinner';
    return heldMs >= longestMs ? `it was held for ${Math.round(heldMs / 1000)} s` : undefined;
  },
});
