import { PIN, PIN_GATE } from './labels.ts';
import type { Node, NodeSelector, NodeSelectorTerm, Pod, SelectorRequirement } from './objects.ts';

/**
 * How a held pod looks in the cluster. It is created behind our gate; later it is landed, that is tied to one node by
 * required affinity while the gate comes off, or lifted, that is let go as if we had never seen it.
 */

export const isGated = (pod: Pod): boolean =>
  pod.spec.schedulingGates?.some(({ name }) => name === PIN_GATE) ?? false;

/** The gates of others. */
export const otherGates = (pod: Pod): readonly { readonly name: string }[] =>
  (pod.spec.schedulingGates ?? []).filter(({ name }) => name !== PIN_GATE);

const requiredOf = (pod: Pod): NodeSelector | undefined =>
  pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;

const isName = ({ key }: SelectorRequirement): boolean => key === 'metadata.name';

// An empty term matches nothing and may not be added to.
const isEmpty = ({ matchExpressions, matchFields }: NodeSelectorTerm): boolean =>
  (matchExpressions ?? []).length === 0 && (matchFields ?? []).length === 0;

const nameIn = ({ matchFields }: NodeSelectorTerm): string | undefined => {
  const names = (matchFields ?? []).filter(isName);
  const [only] = names;
  return names.length === 1 && only?.operator === 'In' && only.values?.length === 1
    ? only.values[0]
    : undefined;
};

/** The one node that a pod with a pin of ours is tied to by its affinity; undefined when there is none. */
export const landingNodeOf = (pod: Pod): string | undefined => {
  if (pod.metadata.annotations?.[PIN] === undefined) return undefined;
  const terms = (requiredOf(pod)?.nodeSelectorTerms ?? []).filter((term) => !isEmpty(term));
  const [first] = terms;
  const name = first && nameIn(first);
  return name !== undefined && terms.every((term) => nameIn(term) === name) ? name : undefined;
};

/** Whether a pod waits for the node of its pin: behind our gate, or tied to the node and not bound yet. */
export const isHeld = (pod: Pod): boolean =>
  !pod.spec.nodeName &&
  pod.metadata.annotations?.[PIN] !== undefined &&
  (isGated(pod) || landingNodeOf(pod) !== undefined);

/**
 * The pod's required node affinity, made narrower: the same terms, and this node. Of a gated pod that is the only
 * change to it that the API server takes.
 */
export const narrowAffinity = (pod: Pod, nodeName: string): NodeSelector => {
  const field: SelectorRequirement = { key: 'metadata.name', operator: 'In', values: [nodeName] };
  const terms = requiredOf(pod)?.nodeSelectorTerms ?? [];
  if (terms.length === 0) return { nodeSelectorTerms: [{ matchFields: [field] }] };
  return {
    nodeSelectorTerms: terms.map((term) =>
      isEmpty(term) || nameIn(term) === nodeName
        ? term
        : { ...term, matchFields: [...(term.matchFields ?? []), field] },
    ),
  };
};

/** The pod as its controller makes the next one: without our gate and without the node that we tied it to. */
export const withoutHold = (pod: Pod): Pod => {
  const isTied = landingNodeOf(pod) !== undefined;
  if (!isTied && !isGated(pod)) return pod;
  const { schedulingGates: _, affinity, ...spec } = pod.spec;
  const gates = otherGates(pod);
  return {
    ...pod,
    spec: {
      ...spec,
      ...(gates.length > 0 ? { schedulingGates: gates } : {}),
      ...(affinity ? { affinity: isTied ? loosened(affinity) : affinity } : {}),
    },
  };
};

const loosened = (affinity: NonNullable<Pod['spec']['affinity']>): typeof affinity => {
  const { nodeAffinity, ...others } = affinity;
  const { requiredDuringSchedulingIgnoredDuringExecution: required, ...preferred } = nodeAffinity ?? {};
  const terms = (required?.nodeSelectorTerms ?? []).flatMap((term): NodeSelectorTerm[] => {
    if (isEmpty(term)) return [term];
    const { matchFields, ...rest } = term;
    const fields = (matchFields ?? []).filter((field) => !isName(field));
    const left = { ...rest, ...(fields.length > 0 ? { matchFields: fields } : {}) };
    return isEmpty(left) ? [] : [left];
  });
  return {
    ...others,
    nodeAffinity: {
      ...preferred,
      ...(terms.length > 0
        ? { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } }
        : {}),
    },
  };
};

/** What a replica that does not lead the pod pinner sees of a held pod, all by its own clock, in milliseconds. */
export interface HeldPodView {
  readonly pod: Pod;
  /** For how long its node could have taken it; undefined while it could not, or its name is not known. */
  readonly couldMs: number | undefined;
  /** For how long nobody has led the pod pinner, its Lease run out; undefined while somebody does. */
  readonly leaderlessMs: number | undefined;
  /** For how long it has been held. */
  readonly heldMs: number;
}

/** How such a replica judges held pods. */
export interface GateReleasePolicy {
  /** Whether whoever leads would have let the pod go by now, were it there. */
  isDue(pod: Pod, node: Node): boolean;
  /** Why the gate comes off, or null. */
  releaseReason(sight: HeldPodView): string | undefined;
}
