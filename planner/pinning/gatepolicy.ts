import { type GateReleasePolicy, isGated, otherGates, withoutHold } from '../../api/heldpods.ts';
import { healthOf, isReady, type NodeHealth } from '../../api/nodes.ts';
import type { Pod } from '../../api/objects.ts';
import { isOpenToDaemonSets } from '../../api/reservation.ts';
import { fits, type NodeInfo, nodeInfoOf } from '../scheduling/fit.ts';
import { podRequests } from '../scheduling/noderesources.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import { choosePin, dependsOnOthers, devicesOf } from './pinpolicy.ts';

/**
 * The next step for a held pod; all but `wait` remove its gate. `land` ties it to its node (the pinner binds it too
 * when `isEarly`), `nominate` names the node in its status, `release` leaves it to kube-scheduler.
 */
export type GateStep =
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'land'; readonly isEarly: boolean; readonly reason: string }
  | { readonly kind: 'nominate'; readonly reason: string }
  | { readonly kind: 'release'; readonly reason: string };

export interface GateContext {
  readonly pod: Pod;
  /** The node with its other pods and assumed pods; undefined while it does not exist. */
  readonly node: NodeInfo | undefined;
  readonly isReady: boolean;
  /** As in PinContext. */
  readonly health: NodeHealth | undefined;
  /** As in PinContext. */
  readonly awaitsDaemonSets?: boolean;
  /** Keys of our own taints, which the pod gets a toleration for when it lands. */
  readonly ownTaints: ReadonlySet<string>;
  /** As in PinContext. */
  readonly startupTaints?: ReadonlySet<string>;
  readonly gate: string;
  /** As in PinContext. */
  readonly schedulers?: readonly string[];
}

/** A device that the pod requests and the node's kubelet has not reported yet. */
const uncountedDevice = (pod: Pod, node: NodeInfo): string | undefined => {
  const missing = devicesOf(pod).find(([resource, requested]) => {
    const used = node.pods.reduce((sum, other) => sum + (podRequests(other).get(resource) ?? 0), 0);
    return (node.free.get(resource) ?? 0) + used < requested;
  });
  return missing?.[0];
};

/**
 * Decides the next step for a held pod that its plan still wants on this node; throws a QuantityError. A pod that is
 * safe to bind early lands at once, any other when its machine is ready and has room for it.
 */
export const decideGate = (s: GateContext): GateStep => {
  const { node, isReady } = s;
  const pod = withoutHold(s.pod);
  const [other] = otherGates(pod);
  if (other) return { kind: 'release', reason: `its scheduling gate ${other.name} is not ours to remove` };
  const pin = choosePin({ ...s, pod, at: 'pending' });
  if (pin.way === 'leave') return { kind: 'release', reason: pin.reason };
  if (pin.way === 'bind' && !isReady) return { kind: 'land', isEarly: true, reason: pin.reason };
  if (!node) return { kind: 'wait', reason: 'its node does not exist yet' };
  if (!isReady) return { kind: 'wait', reason: 'its machine is not ready yet' };
  if (s.awaitsDaemonSets) return { kind: 'wait', reason: 'its node waits for pods of DaemonSets' };
  if (node.unschedulable) return { kind: 'wait', reason: 'its node is cordoned' };
  const foreignTaints = node.taints.filter(({ key }) => !s.ownTaints.has(key));
  const taint = untoleratedTaint(foreignTaints, pod.spec.tolerations);
  if (taint) return { kind: 'wait', reason: `it does not tolerate ${taint.key}:${taint.effect}` };
  const device = uncountedDevice(pod, node);
  if (device) return { kind: 'wait', reason: `the node has not reported its ${device} yet` };
  const refusal = fits(pod, { ...node, taints: [] });
  if (refusal) return { kind: 'release', reason: refusal.message };
  const others = dependsOnOthers(pod);
  if (others) return { kind: 'nominate', reason: others };
  return { kind: 'land', isEarly: false, reason: pin.way === 'bind' ? 'its node can take it' : pin.reason };
};

export interface HoldTimeouts {
  /** How long a pod waits for the leader to land it, in milliseconds. */
  readonly timeoutMs: number;
  /** How long a pod is held at most, in milliseconds. */
  readonly longestMs: number;
}

/** Milliseconds after which a running plan is in every replica's cache. */
const PLAN_CACHE_MS = 3_000;

/**
 * Decides when a replica that does not lead removes a gate: the leader lands a pod as soon as its node can take it, so
 * one that is still held later was left behind. Other pods on the node are ignored; room is kube-scheduler's business.
 */
export const createGateReleasePolicy = (o: {
  readonly limits: HoldTimeouts;
  readonly ownTaints: ReadonlySet<string>;
  readonly gate: string;
  /** Whether a running plan moves the pods of its owner; left out where plans are not watched. */
  readonly isMoved?: (pod: Pod) => boolean;
}): GateReleasePolicy => ({
  isDue: (pod, node) => {
    const health = healthOf(node);
    const situation = {
      ...o,
      pod,
      node: nodeInfoOf(node, []),
      isReady: isReady(node),
      health,
      awaitsDaemonSets: isOpenToDaemonSets(node),
    };
    return (isReady(node) || health.kind === 'sick') && decideGate(situation).kind !== 'wait';
  },
  releaseReason: ({ pod, couldMs, leaderlessMs, heldMs }) => {
    const { timeoutMs, longestMs } = o.limits;
    if (!isGated(pod)) return undefined;
    const isMoved = o.isMoved?.(pod) ?? true;
    if (!isMoved && heldMs >= PLAN_CACHE_MS) return 'no plan that runs moves its owner';
    if (couldMs !== undefined && couldMs >= timeoutMs) {
      return `its node could have taken it for ${Math.round(couldMs / 1000)} s`;
    }
    if (leaderlessMs !== undefined && leaderlessMs >= timeoutMs) return 'nobody leads the pod pinner';
    return heldMs >= longestMs ? `it was held for ${Math.round(heldMs / 1000)} s` : undefined;
  },
});
