import { isMarkedBy } from '../../api/identity/ownermark.ts';
import type { NodeClaimToAdd, RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import {
  CORDONED_BY,
  DAEMONSETS_UNTIL,
  KARPENTER_DO_NOT_DISRUPT,
  KARPENTER_NODEPOOL,
  OWNED_BY,
  PREPARING_TAINT,
} from '../../api/labels.ts';
import { taintsWithout } from '../../api/nodes.ts';
import type { DaemonSet, Node, NodeClaim, Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import { isTrue } from '../../api/records/condition.ts';
import { hasReservationTaint } from '../../api/reservation.ts';
import { missingDaemonSets } from '../../planner/scheduling/daemonset.ts';
import { addedNames, currentClaim } from './state/claimnames.ts';
import type { ExecutionState } from './state/state.ts';
import { reachedAt } from './state/status.ts';
import type { Step } from './state/step.ts';

/**
 * The reservation of the nodes that a plan adds: do-not-disrupt, which keeps Karpenter away while they are still empty,
 * and a taint that only its own pods tolerate. In place of the taint comes a cordon while the node waits for pods of
 * DaemonSets, which tolerate no taint of ours. See docs/designs/0016-daemonsets-on-reserved-nodes.md.
 */

/** Time for pods of DaemonSets to be bound to a node that Karpenter has initialized. */
const DAEMONS_WAIT_MS = 30_000;

type ReleaseStep = Step & { readonly kind: 'release' };
type NodesState = Pick<ExecutionState, 'plan' | 'nodeClaims' | 'nodes' | 'nodePools'>;
type PinsState = Pick<ExecutionState, 'pins' | 'limits'>;
type DaemonsState = Pick<
  ExecutionState,
  'plan' | 'nodeClaims' | 'nodes' | 'pods' | 'daemonSets' | 'pendingDaemonPods' | 'now'
>;

/** Whether the plan reserves the node by a cordon. */
const isCordonedBy = (plan: RebalancePlan, node: Node): boolean => isMarkedBy(plan, node, CORDONED_BY);

const isReservedBy = (plan: RebalancePlan, node: Node): boolean =>
  hasReservationTaint(node) || isCordonedBy(plan, node);

const missingOn = (
  { pods, daemonSets, pendingDaemonPods }: DaemonsState,
  claim: string,
  { metadata, spec }: Node,
): readonly DaemonSet[] =>
  missingDaemonSets(
    daemonSets,
    {
      name: metadata.name,
      labels: metadata.labels ?? {},
      taints: taintsWithout({ spec }, PREPARING_TAINT),
      pods: pods.get(claim) ?? [],
    },
    pendingDaemonPods,
  );

const namesOf = (sets: readonly DaemonSet[]): string =>
  sets.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ');

/** What keeps strangers off one reserved node from now on; undefined when it stays as it is. */
const reservationStep = (state: DaemonsState, claim: NodeClaim, node: Node): Step | undefined => {
  const isTainted = hasReservationTaint(node);
  const isCordoned = isCordonedBy(state.plan, node);
  if (!isTainted && !isCordoned) return undefined;
  const { name, annotations } = node.metadata;
  const cordon = (message: string, until?: string): Step => ({
    kind: 'reserve',
    node: name,
    by: 'cordon',
    ...(until !== undefined && { until }),
    reason: 'NodeOpenToDaemonSets',
    message,
  });
  const taint = { kind: 'reserve', node: name, by: 'taint' } as const;
  const missing = missingOn(state, claim.metadata.name, node);
  if (missing.length === 0) {
    const message = `Node ${name} is reserved by a taint: pods of all its DaemonSets are on it`;
    return isCordoned ? { ...taint, reason: 'NodeReserved', message } : undefined;
  }
  const waits = `Node ${name} is reserved by a cordon until pods of DaemonSets ${namesOf(missing)} are on it`;
  // Until it is initialized the join deadline counts.
  if (!isTrue(claim.status?.conditions, 'Initialized')) return isTainted ? cordon(waits) : undefined;
  const until = annotations?.[DAEMONSETS_UNTIL];
  if (until === undefined) {
    return cordon(waits, new Date(state.now + DAEMONS_WAIT_MS).toISOString());
  }
  if (state.now < Date.parse(until)) return undefined;
  const message = `Node ${name} is reserved by a taint again: DaemonSets ${namesOf(missing)} have put no pods on it, look at their events`;
  return isCordoned ? { ...taint, until, reason: 'DaemonSetsMissing', message } : undefined;
};

/** The steps that let DaemonSets onto the plan's added nodes, and close them again; Karpenter has registered them. */
export const reservationSteps = (state: DaemonsState): readonly Step[] =>
  (state.plan.spec.nodeClaimsToAdd ?? []).flatMap(({ metadata }): readonly Step[] => {
    const name = currentClaim(state.plan, metadata.name);
    const claim = state.nodeClaims.get(name);
    const node = state.nodes.get(name);
    // Until then Karpenter puts the taints of the NodeClaim on the node, whatever is there.
    if (!claim || !node || !isTrue(claim.status?.conditions, 'Registered')) return [];
    if (claim.metadata.deletionTimestamp || node.metadata.deletionTimestamp) return [];
    const step = reservationStep(state, claim, node);
    return step ? [step] : [];
  });

/** Whether an added node waits for pods of DaemonSets. */
export const awaitDaemonSets = (state: DaemonsState): boolean =>
  reservationSteps(state).length > 0 ||
  (state.plan.spec.nodeClaimsToAdd ?? []).some(({ metadata }) => {
    const node = state.nodes.get(currentClaim(state.plan, metadata.name));
    return node !== undefined && isCordonedBy(state.plan, node);
  });

/** The end of a node's reservation; do-not-disrupt stays where the planned claim or its NodePool asks for it. */
export const releaseStep = (
  { nodePools }: Pick<NodesState, 'nodePools'>,
  claim: string,
  node: Node,
  planned: Pick<NodeClaimToAdd, 'metadata'>,
): ReleaseStep => {
  const pool = nodePools.get(planned.metadata.labels?.[KARPENTER_NODEPOOL] ?? '');
  const keeps = [planned.metadata, pool?.spec.template.metadata].some(
    (m) => m?.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined,
  );
  return {
    kind: 'release',
    node: node.metadata.name,
    claim,
    keeps,
    reason: 'NodeReleased',
    message: `Node ${node.metadata.name} is open to all pods and to Karpenter's disruption`,
  };
};

/** Ends the reservation of the plan's added nodes. */
export const releaseSteps = ({ plan, nodeClaims, nodes, nodePools }: NodesState): readonly ReleaseStep[] =>
  [...addedNames(plan)].flatMap((name): ReleaseStep[] => {
    const claim = currentClaim(plan, name);
    const node = nodes.get(claim);
    if (!node || node.metadata.deletionTimestamp) return [];
    const { labels } = nodeClaims.get(claim)?.metadata ?? {};
    const planned = plan.spec.nodeClaimsToAdd?.find(({ metadata }) => metadata.name === name) ?? {
      metadata: { name, ...(labels && { labels }) },
    };
    const step = releaseStep({ nodePools }, claim, node, planned);
    const isGuarded =
      !step.keeps &&
      [node, nodeClaims.get(claim)].some(
        // A release takes our mark away with our do-not-disrupt: what is left then is a user's.
        (o) =>
          o !== undefined &&
          isMarkedBy(plan, o, OWNED_BY) &&
          o.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined,
      );
    if (!isReservedBy(plan, node) && !isGuarded) return [];
    return [step];
  });

/** Removes taint or cordon alone, so that kube-scheduler can place the plan's pods; Karpenter is still kept away. */
export const untaintSteps = (state: NodesState): readonly Step[] =>
  releaseSteps(state)
    .filter(({ claim }) => {
      const node = state.nodes.get(claim);
      return node !== undefined && isReservedBy(state.plan, node);
    })
    .map((step) => ({
      ...step,
      keeps: true,
      reason: 'NodeOpened',
      message: `Node ${step.node} is opened to kube-scheduler before all of its pods have arrived`,
    }));

/** Karpenter buys a node for a pod that is pending for a second, so pods wait only for a connected pinner. */
const hasOverduePod = ({
  unscheduledPods,
  pins,
  now,
  limits,
}: PinsState & Pick<ExecutionState, 'unscheduledPods' | 'now'>): boolean =>
  unscheduledPods.some(
    ({ metadata }) =>
      !pins.connected || now - Date.parse(metadata.creationTimestamp ?? '') > limits.pinHoldMs,
  );

/** True once the pinner has been disconnected for longer than the plan waits for it. */
const isPinnerLost = ({ pins, limits }: PinsState): boolean => pins.goneForMs > limits.pinTimeoutMs;

/**
 * The pods without a node that the plan buys for, or that are younger than its savings check: one that has been pending
 * since before that was moved by nobody.
 */
const ownUnscheduledPods = ({
  plan,
  unscheduledPods,
}: Pick<ExecutionState, 'plan' | 'unscheduledPods'>): readonly Pod[] => {
  const since = reachedAt(plan, 'SavingsValidated') ?? 0;
  // Creation times are whole seconds.
  const first = Math.floor(since / 1000) * 1000;
  const bought = new Set(
    (plan.spec.podsToMigrate ?? []).flatMap(({ srcNode, owner }) => (srcNode || !owner ? [] : [owner.uid])),
  );
  return unscheduledPods.filter(
    (pod) =>
      !(Date.parse(pod.metadata.creationTimestamp ?? '') < first) || bought.has(controllerOf(pod)?.uid ?? ''),
  );
};

/** The untaint steps once one of these pods has waited too long for its pin, or the pinner is lost. */
export const untaintStepsFor = (
  state: NodesState & PinsState & Pick<ExecutionState, 'now'>,
  unscheduledPods: readonly Pod[],
): readonly Step[] =>
  hasOverduePod({ ...state, unscheduledPods }) || isPinnerLost(state) ? untaintSteps(state) : [];

/** The untaint steps once a pod of the plan has waited too long for its pin, or the pinner is lost. */
export const overdueUntaintSteps = (
  state: NodesState & PinsState & Pick<ExecutionState, 'unscheduledPods' | 'now'>,
): readonly Step[] => untaintStepsFor(state, ownUnscheduledPods(state));

/**
 * True while the pinner is disconnected and added nodes are reserved: an evicted pod's successor would find no node.
 */
export const areEvictionsPaused = (state: NodesState & PinsState): boolean =>
  !state.pins.connected && !isPinnerLost(state) && untaintSteps(state).length > 0;
