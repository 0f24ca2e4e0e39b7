import { isHeld } from '../../api/heldpods.ts';
import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isOfDaemonSet } from '../../api/pods.ts';
import { putAt } from '../../api/records/valueat.ts';
import { type SlotState, slotsOf } from '../placement/slotcount.ts';
import { hasJoinedNode, intentOfHeld, isPinFor, ownerUidOf, type State } from '../placement/state.ts';

type PlacementState = SlotState & Pick<State, 'nodes'>;

/** Where running plans place one pod. */
export interface Placement {
  /** The nodes that the pod belongs on, each with its plan; empty for a pod without a place. */
  readonly own: ReadonlyMap<string, string>;
  /** The plan of a node that the pod belongs on and that has not joined; undefined when all have. */
  readonly awaited: string | undefined;
}

const intentsFor = (state: SlotState, pod: Pod): readonly Intent[] => {
  const ofPod = state.store.by('pod', pod.metadata.uid ?? '').map(({ intent }) => intent);
  if (ofPod.length > 0) return ofPod.filter((intent) => isPinFor(intent, pod));
  const held = isHeld(pod) ? intentOfHeld(state, pod) : undefined;
  if (held) return [held];
  const owner = ownerUidOf(pod);
  if (owner === '' || state.store.by('owner', owner).length === 0) return [];
  return slotsOf(state, owner)
    .filter(({ intent, free }) => free > 0 && isPinFor(intent, pod))
    .map(({ intent }) => intent);
};

/** The placement of one pod; two look-ups when no plan runs. */
export const placementOf = (state: PlacementState, pod: Pod): Placement => {
  const own = new Map<string, string>();
  let awaited: string | undefined;
  for (const intent of intentsFor(state, pod)) {
    if (intent.nodeName) own.set(intent.nodeName, intent.plan);
    if (!hasJoinedNode(state, intent.nodeName)) awaited = intent.plan;
  }
  return { own, awaited };
};

/** Whether no plan places the pod. */
export const isUnplaced = ({ own, awaited }: Placement): boolean => own.size === 0 && awaited === undefined;

export const reservedFor = (plan: string): string => `reserved for the pods of plan ${plan}`;

export interface Filtered {
  readonly kept: readonly string[];
  readonly refused: Readonly<Record<string, string>>;
}

/** One look-up per name, since most pods belong to no plan and a scheduler with 5,000 nodes waits. */
const withoutReserved = (store: State['store'], names: readonly string[]): Filtered => {
  if (!store.hasReserved) return { kept: names, refused: {} };
  const kept: string[] = [];
  const refused: Record<string, string> = {};
  for (const name of names) {
    const plan = store.planOf(name);
    if (plan === undefined) kept.push(name);
    else putAt(refused, name, reservedFor(plan));
  }
  return { kept, refused };
};

/**
 * The nodes that a pod may go to; for a pod of a DaemonSet, all. A placed pod goes to its own nodes or waits for their machines; where kube-scheduler
 * has ruled all of them out, it may go elsewhere.
 */
export const filterNodes = (state: PlacementState, pod: Pod, names: readonly string[]): Filtered => {
  const { store } = state;
  if (store.size === 0 || isOfDaemonSet(pod)) return { kept: names, refused: {} };
  const { own, awaited } = placementOf(state, pod);
  const candidates = own.size > 0 ? names.filter((name) => own.has(name)) : [];
  const [place] = candidates;
  if (place === undefined && !awaited) return withoutReserved(store, names);
  const reason =
    place === undefined
      ? `plan ${awaited} puts this pod on a node that has not joined yet`
      : `plan ${own.get(place)} puts this pod on node ${place}`;
  const others = names.filter((name) => !own.has(name));
  return { kept: candidates, refused: Object.fromEntries(others.map((name) => [name, reason])) };
};

/**
 * kube-scheduler's MaxExtenderPriority: https://github.com/kubernetes/kube-scheduler/blob/master/extender/v1/types.go
 */
const MAX_EXTENDER_PRIORITY = 10;

/** Scores the pod's own nodes; kube-scheduler counts the others as 0. */
export const scoreNodes = (
  own: Placement['own'],
  names: readonly string[],
): readonly { readonly Host: string; readonly Score: number }[] =>
  names.filter((name) => own.has(name)).map((Host) => ({ Host, Score: MAX_EXTENDER_PRIORITY }));
