import { isHeld } from '../../api/heldpods.ts';
import { PIN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { type SlotState, slotsOf } from '../placement/slotcount.ts';
import { hasJoinedNode, ownerUidOf, type State } from '../placement/state.ts';

type PlacementState = SlotState & Pick<State, 'nodes'>;

/** What the plans that run say about the nodes for one pod. */
export interface Placement {
  /** Nodes that the pod belongs on, with the plan that says so; empty for a pod that no plan places. */
  readonly own: ReadonlyMap<string, string>;
  /** Whether the pod waits for a node that is still on its way, and for which plan. */
  readonly awaited: string | undefined;
}

const intentsFor = (state: SlotState, pod: Pod): readonly Intent[] => {
  const ofPod = state.store.by('pod', pod.metadata.uid ?? '').map(({ intent }) => intent);
  if (ofPod.length > 0) return ofPod;
  const held = isHeld(pod) ? state.store.get(pod.metadata.annotations?.[PIN] ?? '') : undefined;
  if (held) return [held.intent];
  const owner = ownerUidOf(pod);
  if (owner === '' || state.store.by('owner', owner).length === 0) return [];
  return slotsOf(state, owner)
    .filter(({ used, count }) => used < count)
    .map(({ intent }) => intent);
};

/** The verdict on one pod. Without running plans it costs two look-ups. */
export const placementOf = (state: PlacementState, pod: Pod): Placement => {
  const own = new Map<string, string>();
  let awaited: string | undefined;
  for (const intent of intentsFor(state, pod)) {
    if (intent.nodeName) own.set(intent.nodeName, intent.plan);
    if (!hasJoinedNode(state, intent.nodeName)) awaited = intent.plan;
  }
  return { own, awaited };
};

/** Whether no plan says where the pod belongs. */
export const isUnplaced = ({ own, awaited }: Placement): boolean => own.size === 0 && awaited === undefined;

export const reservedFor = (plan: string): string => `reserved for the pods of plan ${plan}`;

export interface Filtered {
  readonly kept: readonly string[];
  readonly refused: Readonly<Record<string, string>>;
}

/** Most pods are of no plan: one look-up a name, since a scheduler of 5,000 nodes waits for it. */
const withoutReserved = (store: State['store'], names: readonly string[]): Filtered => {
  if (!store.hasReserved) return { kept: names, refused: {} };
  const kept: string[] = [];
  const refused: Record<string, string> = {};
  for (const name of names) {
    const plan = store.planOf(name);
    if (plan === undefined) kept.push(name);
    else refused[name] = reservedFor(plan);
  }
  return { kept, refused };
};

/**
 * Which of these nodes the pod may go to. A pod with a place stays with it while its machine is on the way or the
 * node is among those offered; a place that kube-scheduler itself ruled out lets the pod go elsewhere.
 */
export const filterNodes = (state: PlacementState, pod: Pod, names: readonly string[]): Filtered => {
  const { store } = state;
  if (store.size === 0) return { kept: names, refused: {} };
  const { own, awaited } = placementOf(state, pod);
  const candidates = own.size > 0 ? names.filter((name) => own.has(name)) : [];
  const [place] = candidates;
  if (place === undefined && !awaited) return withoutReserved(store, names);
  const reason =
    place === undefined
      ? `plan ${awaited} puts this pod on a node that is on its way`
      : `plan ${own.get(place)} puts this pod on node ${place}`;
  const others = names.filter((name) => !own.has(name));
  return { kept: candidates, refused: Object.fromEntries(others.map((name) => [name, reason])) };
};

/** The best score that kube-scheduler takes from an extender. */
const MAX_EXTENDER_PRIORITY = 10;

/** Scores for the pod's own places among these nodes; kube-scheduler takes a node that is not named for 0. */
export const scoreNodes = (
  own: Placement['own'],
  names: readonly string[],
): readonly { readonly Host: string; readonly Score: number }[] =>
  names.filter((name) => own.has(name)).map((Host) => ({ Host, Score: MAX_EXTENDER_PRIORITY }));
