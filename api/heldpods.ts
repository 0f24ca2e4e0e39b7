import { PIN, PIN_GATE } from './labels.ts';
import type { Node, NodeSelector, NodeSelectorTerm, Pod, SelectorRequirement } from './objects.ts';

/**
 * How a held pod looks in the cluster: created behind our gate, then either landed (tied to one node by required
 * affinity) or released. See docs/designs/0008-held-pods.md.
 */

/** Whether a pod is behind our gate. */
export const isGated = (pod: Pod): boolean =>
  pod.spec.schedulingGates?.some(({ name }) => name === PIN_GATE) ?? false;

/** The pod's scheduling gates that are not ours. */
export const otherGates = (pod: Pod): readonly { readonly name: string }[] =>
  (pod.spec.schedulingGates ?? []).filter(({ name }) => name !== PIN_GATE);

const requiredOf = (pod: Pod): NodeSelector | undefined =>
  pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;

const isName = ({ key }: SelectorRequirement): boolean => key === 'metadata.name';

// An empty term matches no node, and would match some with a field added.
const isEmpty = ({ matchExpressions, matchFields }: NodeSelectorTerm): boolean =>
  (matchExpressions ?? []).length === 0 && (matchFields ?? []).length === 0;

const nameIn = ({ matchFields }: NodeSelectorTerm): string | undefined => {
  const names = (matchFields ?? []).filter(isName);
  const [only] = names;
  return names.length === 1 && only?.operator === 'In' && only.values?.length === 1
    ? only.values[0]
    : undefined;
};

/** The one node that our pin ties a pod to by its affinity. */
export const landingNodeOf = (pod: Pod): string | undefined => {
  if (pod.metadata.annotations?.[PIN] === undefined) return undefined;
  const terms = (requiredOf(pod)?.nodeSelectorTerms ?? []).filter((term) => !isEmpty(term));
  const [first] = terms;
  const name = first && nameIn(first);
  return name !== undefined && terms.every((term) => nameIn(term) === name) ? name : undefined;
};

/** Whether a pod waits for the node of its pin, behind our gate or tied to the node and not bound yet. */
export const isHeld = (pod: Pod): boolean =>
  !pod.spec.nodeName &&
  pod.metadata.annotations?.[PIN] !== undefined &&
  (isGated(pod) || landingNodeOf(pod) !== undefined);

/**
 * The pod's required node affinity with every term narrowed to one node. The API server accepts no other change to the
 * affinity of a gated pod.
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

/** The pod without our gate and the node that we tied it to, as its controller would create it. */
export const withoutHold = (pod: Pod): Pod => {
  const isTied = landingNodeOf(pod) !== undefined;
  if (!isTied && !isGated(pod)) return pod;
  const { schedulingGates: _, affinity, ...spec } = pod.spec;
  const gates = otherGates(pod);
  return {
    ...pod,
    spec: {
      ...spec,
      ...(gates.length > 0 && { schedulingGates: gates }),
      ...(affinity && { affinity: isTied ? withoutNodeName(affinity) : affinity }),
    },
  };
};

const withoutNodeName = (affinity: NonNullable<Pod['spec']['affinity']>): typeof affinity => {
  const { nodeAffinity, ...others } = affinity;
  const { requiredDuringSchedulingIgnoredDuringExecution: required, ...preferred } = nodeAffinity ?? {};
  const terms = (required?.nodeSelectorTerms ?? []).flatMap((term): NodeSelectorTerm[] => {
    if (isEmpty(term)) return [term];
    const { matchFields, ...rest } = term;
    const fields = (matchFields ?? []).filter((field) => !isName(field));
    const left = { ...rest, ...(fields.length > 0 && { matchFields: fields }) };
    return isEmpty(left) ? [] : [left];
  });
  return {
    ...others,
    nodeAffinity: {
      ...preferred,
      ...(terms.length > 0 && {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
      }),
    },
  };
};

/** A held pod as a replica sees it that does not lead; times are milliseconds of its own clock. */
export interface HeldPodView {
  readonly pod: Pod;
  /** Milliseconds for which its node could have taken it; undefined when it can't, or when that is unknown. */
  readonly couldMs: number | undefined;
  /** Milliseconds since the pod pinner's Lease expired; undefined while there is a leader. */
  readonly leaderlessMs: number | undefined;
  /** Milliseconds since its creation. */
  readonly heldMs: number;
}

/** Decides when a replica that does not lead removes the gate of a held pod. */
export interface GateReleasePolicy {
  /** Whether a leader would have landed or released the pod by now. */
  isDue(pod: Pod, node: Node): boolean;
  /** Why the gate must be removed now. */
  releaseReason(sight: HeldPodView): string | undefined;
}
