import type { NodeSelector, NodeSelectorTerm, Pod, TopologySpreadConstraint } from '../api/objects.ts';
import { isBoundToNode } from './candidate.ts';
import { type Labels, matchesNodeSelector } from './selector.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * What preferred node affinity and spread with ScheduleAnyway are to a plan. 'Respect' plans by them as if they were
 * demands and drops them where a pod could not be placed otherwise; 'Ignore' plans as if they were not there.
 */
export type Preferences = 'Respect' | 'Ignore';

/**
 * Karpenter's own default (its PREFERENCE_POLICY). Pods are held to the node that the plan names, so kube-scheduler's
 * scores can't make good what the plan left out: three replicas that prefer three zones would end in the cheapest one.
 */
export const DEFAULT_PREFERENCES: Preferences = 'Respect';

/** The labels of a node, and its name; empty for a node to come. */
export interface Place {
  readonly labels: Labels;
  readonly name: string;
}

const isMet = (term: NodeSelectorTerm, place: Place): boolean =>
  matchesNodeSelector({ nodeSelectorTerms: [term] }, place.labels, place.name);

const both = (a: NodeSelectorTerm, b: NodeSelectorTerm): NodeSelectorTerm => ({
  matchExpressions: [...(a.matchExpressions ?? []), ...(b.matchExpressions ?? [])],
  matchFields: [...(a.matchFields ?? []), ...(b.matchFields ?? [])],
});

const preferredTerms = (pod: Pod): NodeSelectorTerm[] =>
  [...(pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])]
    .sort((a, b) => b.weight - a.weight)
    .map((each) => each.preference);

const withTerms = (pod: Pod, terms: readonly NodeSelectorTerm[]): Pod => {
  if (terms.length === 0) return pod;
  const asked = terms.reduce(both);
  const { affinity } = pod.spec;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const demanded: NodeSelector = {
    nodeSelectorTerms: required ? required.nodeSelectorTerms.map((each) => both(each, asked)) : [asked],
  };
  return {
    ...pod,
    spec: {
      ...pod.spec,
      affinity: {
        ...affinity,
        nodeAffinity: {
          ...affinity?.nodeAffinity,
          requiredDuringSchedulingIgnoredDuringExecution: demanded,
        },
      },
    },
  };
};

const demand = (constraint: TopologySpreadConstraint): TopologySpreadConstraint => ({
  ...constraint,
  whenUnsatisfiable: 'DoNotSchedule',
});

const withSpread = (pod: Pod): Pod => {
  const constraints = pod.spec.topologySpreadConstraints;
  if (!constraints?.some((each) => each.whenUnsatisfiable === 'ScheduleAnyway')) return pod;
  return { ...pod, spec: { ...pod.spec, topologySpreadConstraints: constraints.map(demand) } };
};

/**
 * The pods that wait, with their preferences made demands: the heaviest node affinity that some place meets, and
 * spread. `places` are nodes that stand and nodes that could be bought.
 */
export const preferWhileWaiting = (pods: readonly Pod[], places: readonly Place[]): Pod[] => {
  const found = new Map<string, readonly NodeSelectorTerm[]>();
  return pods.map((pod) => {
    const terms = preferredTerms(pod);
    const id = JSON.stringify(terms);
    let met = found.get(id);
    if (!met) {
      const heaviest = terms.find((term) => places.some((place) => isMet(term, place)));
      met = heaviest ? [heaviest] : [];
      found.set(id, met);
    }
    return withSpread(withTerms(pod, met));
  });
};

/** The cluster with preferences made demands on pods that may move: node affinity where it is met today, and spread. */
export const preferWhileMoving = (snapshot: Snapshot): Snapshot => {
  const nodes = new Map(snapshot.nodes.map((node) => [node.metadata.name, node]));
  return {
    ...snapshot,
    pods: snapshot.pods.map((pod) => {
      const node = nodes.get(pod.spec.nodeName ?? '');
      if (!node || isBoundToNode(pod)) return pod;
      const place = { labels: node.metadata.labels ?? {}, name: node.metadata.name };
      const met = preferredTerms(pod).filter((term) => !term.matchFields?.length && isMet(term, place));
      return withSpread(withTerms(pod, met));
    }),
  };
};
