import { ARCH, KARPENTER_CAPACITY_TYPE } from '../api/labels.ts';
import type { Node, NodeSelectorTerm, Pod } from '../api/objects.ts';
import { isReschedulable } from '../api/pods.ts';
import { valueAt } from '../api/records/valueat.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import { UsageError } from './flags.ts';

/** What a plan may be told not to change about the machines that pods run on. */
export type Keep = 'capacity-type' | 'architecture';

const LABEL_OF = { 'capacity-type': KARPENTER_CAPACITY_TYPE, architecture: ARCH } as const satisfies Record<
  Keep,
  string
>;

const isKeep = (text: string): text is Keep => Object.hasOwn(LABEL_OF, text);

/** The values of --keep. Throws a UsageError for an unknown one. */
export const keepsOf = (text: string | undefined): readonly Keep[] =>
  (text?.split(',') ?? []).map((each) => {
    if (isKeep(each)) return each;
    throw new UsageError(`--keep takes ${Object.keys(LABEL_OF).join(' and ')}, not '${each}'.`);
  });

/** The pod, to be placed only on machines that are like its own in these labels. */
const tied = (pod: Pod, node: Node, labels: readonly string[]): Pod => {
  const matchExpressions = labels.flatMap((key) => {
    const value = valueAt(node.metadata.labels, key);
    return value === undefined ? [] : [{ key, operator: 'In' as const, values: [value] }];
  });
  if (matchExpressions.length === 0) return pod;
  const { nodeAffinity, ...others } = pod.spec.affinity ?? {};
  const terms = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const isEmpty = (term: NodeSelectorTerm): boolean =>
    !term.matchExpressions?.length && !term.matchFields?.length;
  // To Kubernetes an empty term matches no node.
  const nodeSelectorTerms = terms?.map((term) =>
    isEmpty(term)
      ? term
      : { ...term, matchExpressions: [...(term.matchExpressions ?? []), ...matchExpressions] },
  ) ?? [{ matchExpressions }];
  const affinity = {
    ...others,
    nodeAffinity: { ...nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
  };
  return { ...pod, spec: { ...pod.spec, affinity } };
};

/** The cluster with each running pod tied to the kind of machine that it runs on. */
export const keeping = (snapshot: Snapshot, keeps: readonly Keep[]): Snapshot => {
  if (keeps.length === 0) return snapshot;
  const labels = keeps.map((each) => LABEL_OF[each]);
  const nodes = new Map(snapshot.nodes.map((node) => [node.metadata.name, node]));
  const pods = snapshot.pods.map((pod) => {
    const node = nodes.get(pod.spec.nodeName ?? '');
    return node && isReschedulable(pod) ? tied(pod, node, labels) : pod;
  });
  return { ...snapshot, pods };
};
