import { KARPENTER_DO_NOT_DISRUPT, KARPENTER_NODEPOOL, PREPARING_TAINT } from '../../../api/labels.ts';
import { healthOf, isPassedOver } from '../../../api/nodes.ts';
import type { Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { destinationOf, foreignNodeOf } from '../../../api/plans.ts';
import { podName } from '../../../api/pods.ts';
import { messagesOf } from '../../../planner/cluster/blocker.ts';
import {
  podBlocker as plannersPodBlocker,
  protectionBlockers,
  stateBlockers,
} from '../../../planner/cluster/candidate.ts';
import { acceptsPods } from '../../../planner/cluster/clusterview.ts';
import type { ShiftedZone } from '../../../planner/model/catalogue.ts';
import { shiftOf, shiftText } from '../../../planner/model/offers/zonalshift.ts';
import { noMoveReason } from '../../../planner/scheduling/destination.ts';
import type { NodeInfo } from '../../../planner/scheduling/fit.ts';
import { untoleratedTaint } from '../../../planner/scheduling/tainttoleration.ts';
import { addedNames, foreignUids } from '../state/claimnames.ts';
import { LOCK_KEEPS, LOCKED_BY } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import { hasOrdered } from '../state/status.ts';
import type { Step } from '../state/step.ts';
import { detachmentOf } from '../state/surgerecord.ts';
import { roomOn, roomRefusal, stillToCome } from './destinationroom.ts';
import { pendingPodsOnKeptNodes, plannedPodsOnKeptNodes } from './podsonkeptnodes.ts';

/**
 * What keeps nodes and pods from being moved now, by the planner's own rules: a plan is carried out later than it was
 * made. See docs/designs/0021-judged-again.md.
 */

type RulesState = Pick<ExecutionState, 'plan' | 'rules'>;

/** What the blockers of a node are told from. */
export type NodesState = RulesState &
  Pick<
    ExecutionState,
    'nodeClaims' | 'nodes' | 'pods' | 'podsOnKeptNodes' | 'shiftedZones' | 'now' | 'limits'
  >;

const ownedBy = (replicaSet: { readonly name: string; readonly uid: string }, pod: Pod): Pod => {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', ...replicaSet, controller: true };
  return { ...pod, metadata: { ...pod.metadata, ownerReferences: [owner] } };
};

/** Whether the plan migrates a pod live or not at all: it is never evicted, so nobody has to make it again. */
const isOnlyMigrated = ({ spec }: ExecutionState['plan'], { metadata: { namespace, name } }: Pod): boolean =>
  (spec.podsToMigrate ?? []).some(
    (move) => move.policy === 'Mandatory' && move.name === name && move.namespace === namespace,
  );

/**
 * The pod as its controller matters: with the one that it had before this plan detached it for a surge, or with any
 * where it is only migrated live.
 */
const asAttached = (plan: ExecutionState['plan'], pod: Pod): Pod => {
  const record = detachmentOf(plan, pod);
  if (record) return ownedBy(record.replicaSet, pod);
  return isOnlyMigrated(plan, pod) ? ownedBy({ name: 'none', uid: '' }, pod) : pod;
};

/** The node with the do-not-disrupt that it had before a lock: ours is no mark of its users. */
const withoutLock = (node: Node): Node => {
  const { [KARPENTER_DO_NOT_DISRUPT]: locked, ...rest } = node.metadata.annotations ?? {};
  if (rest[LOCKED_BY] === undefined) return node;
  const before = rest[LOCK_KEEPS];
  const annotations = { ...rest, ...(before !== undefined && { [KARPENTER_DO_NOT_DISRUPT]: before }) };
  return { ...node, metadata: { ...node.metadata, annotations } };
};

/** Why the plan may not evict a pod now. */
export const podBlocker = ({ plan, rules }: RulesState, pod: Pod): string | undefined =>
  plannersPodBlocker(asAttached(plan, pod), rules)?.message;

/** Why the plan may not empty this node now, with these pods; empty when it may. */
export const blockersOf = (
  { plan, rules }: RulesState,
  { node, claim, pods }: { readonly node: Node; readonly claim: NodeClaim; readonly pods: readonly Pod[] },
): readonly string[] =>
  messagesOf(
    protectionBlockers(
      { node: withoutLock(node), claim, pods: pods.map((pod) => asAttached(plan, pod)) },
      rules,
    ),
  );

/** What keeps one of these pods off a node now, in words; the reservation of a plan is lifted or tolerated. */
const refusalOf = (
  node: Node,
  claim: NodeClaim | undefined,
  pods: readonly Pod[],
  {
    sources,
    shift,
  }: { readonly sources: ReadonlyMap<string, Node>; readonly shift: ShiftedZone | undefined },
): string | undefined => {
  if (shift) return `takes none now: its ${shiftText(shift)}`;
  if (!acceptsPods({ node, claim })) return 'takes none now';
  for (const { spec } of pods) {
    const reason = noMoveReason({ node, claim }, sources.get(spec.nodeName ?? ''));
    if (reason !== undefined) return `takes none now: it ${reason}`;
  }
  const health = healthOf(node);
  const taints = (node.spec?.taints ?? []).filter(
    (taint) => taint.key !== PREPARING_TAINT && !isPassedOver(taint, health),
  );
  for (const pod of pods) {
    const taint = untoleratedTaint(taints, pod.spec.tolerations);
    if (taint)
      return `has the taint ${taint.key}:${taint.effect} now, which pod ${podName(pod)} does not tolerate`;
  }
  return undefined;
};

/**
 * Which pods that leave a destination make room there: all that the plan moves off it, or only those that leave if all
 * others do.
 */
type Leavers = 'planned' | 'judged';

/** What the nodes that pods are to go to say to them, for one state: each is looked at once, however many pods ask. */
class Destinations {
  readonly #state: NodesState;
  readonly #added: ReadonlySet<string>;
  readonly #uids: ReadonlyMap<string, string>;
  /** Destinations by pod, nodes by their own name, and pods that are still to leave a node that stays by its name. */
  readonly #byPod: ReadonlyMap<string, string>;
  readonly #sources: ReadonlyMap<string, Node>;
  readonly #pendingOn: ReadonlyMap<string, readonly Pod[]>;
  readonly #rooms = { planned: new Map<string, NodeInfo>(), judged: new Map<string, NodeInfo>() };
  readonly #staying: { [leavers in Leavers]?: ReadonlyMap<Pod, string> } = {};

  constructor(state: NodesState) {
    const { plan, nodes } = state;
    this.#state = state;
    this.#added = addedNames(plan);
    this.#uids = foreignUids(plan);
    this.#byPod = new Map(
      (plan.spec.podsToMigrate ?? []).map((move) => [`${move.namespace}/${move.name}`, destinationOf(move)]),
    );
    this.#sources = new Map([...nodes.values()].map((node) => [node.metadata.name, node]));
    this.#pendingOn = Map.groupBy(pendingPodsOnKeptNodes(state), ({ spec }) => spec.nodeName ?? '');
  }

  /** Why pods that are still where the plan found them can't go to a node that stays; `from` is their NodeClaim. */
  blockers(pods: readonly Pod[], leavers: Leavers, from?: string): readonly string[] {
    const byDestination = Map.groupBy(pods, (pod) => this.#byPod.get(podName(pod)));
    return [...byDestination].flatMap(([destination, itsPods]) => {
      if (destination === undefined || this.#added.has(destination)) return [];
      const reason = this.#blocker(destination, itsPods, { leavers, from });
      return reason === undefined ? [] : [reason];
    });
  }

  /**
   * The pods on kept nodes that stay there, each with the reason: its new node does not take it, alone or with all that come
   * from its node, or it may not be evicted.
   */
  staying(leavers: Leavers): ReadonlyMap<Pod, string> {
    this.#staying[leavers] ??= this.#judge(leavers);
    return this.#staying[leavers];
  }

  #judge(leavers: Leavers): ReadonlyMap<Pod, string> {
    const state = this.#state;
    const reasons = new Map<Pod, string>();
    for (const pod of state.podsOnKeptNodes) {
      const reason = this.blockers([pod], leavers)[0] ?? podBlocker(state, pod);
      if (reason !== undefined) reasons.set(pod, reason);
    }
    const going = plannedPodsOnKeptNodes(state).filter((pod) => !reasons.has(pod));
    for (const fromNode of Map.groupBy(going, ({ spec }) => spec.nodeName).values()) {
      for (const together of Map.groupBy(fromNode, (pod) => this.#byPod.get(podName(pod))).values()) {
        const [reason] = together.length > 1 ? this.blockers(together, leavers) : [];
        if (reason !== undefined) for (const pod of together) reasons.set(pod, reason);
      }
    }
    return reasons;
  }

  #blocker(
    destination: string,
    pods: readonly Pod[],
    { leavers, from }: { readonly leavers: Leavers; readonly from: string | undefined },
  ): string | undefined {
    const { plan, nodes, nodeClaims, shiftedZones } = this.#state;
    const node = nodes.get(destination);
    const foreign = foreignNodeOf(destination);
    const what = foreign === undefined ? `the node of NodeClaim ${destination}` : `node ${foreign}`;
    if (!node) return `${what}, which was to take its pods, is gone`;
    const uid = this.#uids.get(destination);
    if (uid !== undefined && uid !== node.metadata.uid) {
      return `${what}, which was to take its pods, is gone, and another node has its name`;
    }
    const shift = shiftOf(node, shiftedZones);
    const toCome = stillToCome(plan, pods, from);
    const refusal =
      refusalOf(node, nodeClaims.get(destination), pods, { sources: this.#sources, shift }) ??
      (toCome.length > 0 ? roomRefusal(this.#room(destination, node, leavers), toCome) : undefined);
    return refusal && `node ${node.metadata.name}, which was to take its pods, ${refusal}`;
  }

  #room(destination: string, node: Node, leavers: Leavers): NodeInfo {
    const rooms = this.#rooms[leavers];
    const known = rooms.get(destination);
    if (known) return known;
    const leaving = (this.#pendingOn.get(node.metadata.name) ?? []).filter(
      (pod) => leavers === 'planned' || !this.staying('planned').has(pod),
    );
    const room = roomOn(node, this.#state.pods.get(destination) ?? [], new Set(leaving.map(podName)));
    rooms.set(destination, room);
    return room;
  }
}

const known = new WeakMap<NodesState, Destinations>();

/** A state is never changed, so what was made of it holds. */
const destinationsOf = (state: NodesState): Destinations => {
  const destinations = known.get(state) ?? new Destinations(state);
  known.set(state, destinations);
  return destinations;
};

/** The pods on kept nodes that stay there now, each with the reason. */
export const moveBlockers = (state: NodesState): ReadonlyMap<Pod, string> =>
  destinationsOf(state).staying('judged');

/** Why the plan may not empty the node of a NodeClaim now; empty when it may, or has no such node. */
export const nodeBlockers = (state: NodesState, claimName: string): readonly string[] => {
  const claim = state.nodeClaims.get(claimName);
  const node = state.nodes.get(claimName);
  if (!claim || !node) return [];
  const pods = state.pods.get(claimName) ?? [];
  return [
    ...blockersOf(state, { node, claim, pods }),
    ...destinationsOf(state).blockers(pods, 'judged', claimName),
  ];
};

/** The reasons in one sentence. */
export const sentenceOf = (reasons: readonly string[]): string => {
  const more = reasons.length > 1 ? `, and ${reasons.length - 1} more reasons` : '';
  return `${reasons[0]}${more}`;
};

export const WHAT_TO_DO =
  'Let the pod end, remove the mark, open the other node, or allow it in aggressiveModeConfig, then make a new plan';

/** The nodes to be removed that may not be emptied now, by name, each with its reasons. */
export const blockedNodes = (state: NodesState): ReadonlyMap<string, readonly string[]> =>
  new Map(
    (state.plan.spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName }) => {
      const node = state.nodes.get(nodeClaimName)?.metadata.name;
      const reasons = nodeBlockers(state, nodeClaimName);
      return node !== undefined && reasons.length > 0 ? [[node, reasons] as const] : [];
    }),
  );

/** Fails a plan before it orders a machine when a node that it removes may not go now. */
export const blockedFailure = (state: NodesState & Pick<ExecutionState, 'nodePools'>): Step | undefined => {
  if (hasOrdered(state.plan)) return undefined;
  for (const { nodeClaimName } of state.plan.spec.nodeClaimsToDelete ?? []) {
    const claim = state.nodeClaims.get(nodeClaimName);
    const node = state.nodes.get(nodeClaimName);
    if (!claim || !node) continue;
    const pool = state.nodePools.get(claim.metadata.labels?.[KARPENTER_NODEPOOL] ?? '');
    const reasons = [
      ...messagesOf(stateBlockers({ node, claim, pool })),
      ...nodeBlockers(state, nodeClaimName),
    ];
    if (reasons.length === 0) continue;
    return {
      kind: 'fail',
      phase: 'Creation',
      failureReason: 'FailureReasonNodeBlocked',
      reason: 'FailureReasonNodeBlocked',
      message: `Node ${node.metadata.name} may not be removed any more: ${sentenceOf(reasons)}. ${WHAT_TO_DO}.`,
    };
  }
  return undefined;
};
