import type { Pod } from '../api/objects.ts';
import type { Intent } from '../api/pinning.ts';
import { slotsOf } from './slots.ts';
import { hasJoinedName, ownerUidOf, type State } from './state.ts';

/** What the plans that run say about the nodes for one pod. */
export interface Verdict {
  /** Nodes that the pod belongs on, with the plan that says so; empty for a pod that no plan places. */
  readonly own: ReadonlyMap<string, string>;
  /** Whether the pod waits for a node that is still on its way, and for which plan. */
  readonly awaited: string | undefined;
  /** The plan that a node is reserved by, or undefined. */
  readonly reservedBy: (nodeName: string) => string | undefined;
}

const intentsFor = (state: State, pod: Pod): readonly Intent[] => {
  const direct = state.store.by('pod', pod.metadata.uid ?? '').map(({ intent }) => intent);
  if (direct.length > 0) return direct;
  const owner = ownerUidOf(pod);
  if (owner === '' || state.store.by('owner', owner).length === 0) return [];
  return slotsOf(state, owner)
    .filter(({ used, count }) => used < count)
    .map(({ intent }) => intent);
};

/** The verdict on one pod. Without running plans it costs two look-ups. */
export const judge = (state: State, pod: Pod): Verdict => {
  const own = new Map<string, string>();
  let awaited: string | undefined;
  for (const intent of intentsFor(state, pod)) {
    if (intent.nodeName && hasJoinedName(state, intent.nodeName)) own.set(intent.nodeName, intent.plan);
    else {
      if (intent.nodeName) own.set(intent.nodeName, intent.plan);
      awaited = intent.plan;
    }
  }
  return {
    own,
    awaited,
    reservedBy: (name) => state.store.by('node', name).find(({ intent }) => intent.node)?.intent.plan,
  };
};

export interface Filtered {
  readonly kept: readonly string[];
  readonly refused: Readonly<Record<string, string>>;
}

/**
 * Which of these nodes the pod may go to. A pod with a place stays with it while its machine is on the way or the
 * node is among those offered; a place that kube-scheduler itself ruled out lets the pod go elsewhere.
 */
export const filterNodes = (state: State, pod: Pod, names: readonly string[]): Filtered => {
  if (state.store.size === 0) return { kept: names, refused: {} };
  const { own, awaited, reservedBy } = judge(state, pod);
  const offered = names.filter((name) => own.has(name));
  const kept: string[] = [];
  const refused: Record<string, string> = {};
  for (const name of names) {
    if (own.has(name)) kept.push(name);
    else if (offered.length > 0) {
      const [place] = offered;
      refused[name] = `plan ${own.get(place ?? '')} puts this pod on node ${place}`;
    } else if (awaited) refused[name] = `plan ${awaited} puts this pod on a node that is on its way`;
    else {
      const plan = reservedBy(name);
      if (plan === undefined) kept.push(name);
      else refused[name] = `reserved for the pods of plan ${plan}`;
    }
  }
  return { kept, refused };
};

/** The best score that kube-scheduler takes from an extender. */
const BEST = 10;

/** A score for each node: the pod's own place first, nodes that no plan reserves or empties next. */
export const scoreNodes = (
  state: State,
  pod: Pod,
  names: readonly string[],
): readonly { readonly Host: string; readonly Score: number }[] => {
  if (state.store.size === 0) return names.map((Host) => ({ Host, Score: 0 }));
  const { own } = judge(state, pod);
  return names.map((Host) => ({ Host, Score: own.has(Host) ? BEST : 0 }));
};
