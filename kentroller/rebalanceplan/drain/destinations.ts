import { PREPARING_TAINT } from '../../../api/labels.ts';
import { healthOf, isPassedOver } from '../../../api/nodes.ts';
import type { Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { destinationsByPod, foreignNodeOf } from '../../../api/plans.ts';
import { podName } from '../../../api/pods.ts';
import { acceptsPods } from '../../../planner/cluster/clusterview.ts';
import type { ShiftedZone } from '../../../planner/model/catalogue.ts';
import { shiftOf, shiftText } from '../../../planner/model/offers/zonalshift.ts';
import { noMoveReason } from '../../../planner/scheduling/destination.ts';
import type { NodeInfo } from '../../../planner/scheduling/fit.ts';
import { untoleratedTaint } from '../../../planner/scheduling/tainttoleration.ts';
import { addedNames, currentClaim, foreignUids } from '../state/claimnames.ts';
import type { ExecutionState } from '../state/state.ts';
import { roomOn, roomRefusal, stillToCome } from './destinationroom.ts';
import { pendingPodsOnKeptNodes, plannedPodsOnKeptNodes } from './podsonkeptnodes.ts';
import { podBlocker, type RulesState } from './protection.ts';

/** Whether the nodes that pods are to go to take them now. See docs/designs/0021-judged-again.md. */

/** What the blockers of a node are told from. */
export type NodesState = RulesState &
  Pick<
    ExecutionState,
    'nodeClaims' | 'nodes' | 'pods' | 'podsOnKeptNodes' | 'shiftedZones' | 'now' | 'limits'
  >;

const shiftRefusal = (shift: ShiftedZone): string => `takes none now: its ${shiftText(shift)}`;

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
  if (shift) return shiftRefusal(shift);
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
    this.#byPod = destinationsByPod(plan.spec);
    this.#sources = new Map([...nodes.values()].map((node) => [node.metadata.name, node]));
    this.#pendingOn = Map.groupBy(pendingPodsOnKeptNodes(state), ({ spec }) => spec.nodeName ?? '');
  }

  /** Why pods that are still where the plan found them can't go where the plan moves them; `from` is their NodeClaim. */
  blockers(pods: readonly Pod[], leavers: Leavers, from?: string): readonly string[] {
    const byDestination = Map.groupBy(pods, (pod) => this.#byPod.get(podName(pod)));
    return [...byDestination].flatMap(([destination, itsPods]) => {
      if (destination === undefined) return [];
      const reason = this.#added.has(destination)
        ? this.#shiftBlocker(destination, itsPods, from)
        : this.#blocker(destination, itsPods, { leavers, from });
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

  /**
   * An added node is as planned, but its zone may be shifted away after it has joined. Pods of a node that is being deleted
   * go all the same.
   */
  #shiftBlocker(destination: string, pods: readonly Pod[], from: string | undefined): string | undefined {
    const { plan, nodes, nodeClaims, shiftedZones } = this.#state;
    if (from !== undefined && nodeClaims.get(from)?.metadata.deletionTimestamp) return undefined;
    const node = nodes.get(currentClaim(plan, destination));
    const shift = node && shiftOf(node, shiftedZones);
    return shift && stillToCome(plan, pods, from).length > 0
      ? `node ${node.metadata.name}, which was to take its pods, ${shiftRefusal(shift)}`
      : undefined;
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
export const destinationsOf = (state: NodesState): Destinations => {
  const destinations = known.get(state) ?? new Destinations(state);
  known.set(state, destinations);
  return destinations;
};

/** The pods on kept nodes that stay there now, each with the reason. */
export const moveBlockers = (state: NodesState): ReadonlyMap<Pod, string> =>
  destinationsOf(state).staying('judged');
