import { ARCH, INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../api/labels.ts';
import type { Node, NodeSelectorTerm, Pod, SelectorRequirement } from '../api/objects.ts';
import { isReschedulable } from '../api/pods.ts';
import { valueAt } from '../api/records/valueat.ts';
import type { Catalogue } from '../planner/model/catalogue.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import { typeOf, zoneOf } from '../planner/model/standingmachine.ts';
import { withNodeAffinity } from '../planner/scheduling/nodeaffinity.ts';
import { UsageError } from './flags.ts';

/** What a plan may be told not to change about the machines that pods run on. */
export const KEEPS = ['capacity-type', 'architecture', 'zone', 'family'] as const;
export type Keep = (typeof KEEPS)[number];

const isKeep = (text: string): text is Keep => KEEPS.some((each) => each === text);

/** The values of --keep. Throws a UsageError for an unknown one. */
export const keepsOf = (text: string | undefined): readonly Keep[] =>
  (text?.split(',') ?? []).map((each) => {
    if (isKeep(each)) return each;
    throw new UsageError(`--keep takes ${KEEPS.join(', ')}, not '${each}'.`);
  });

/** The family of an instance type: 'm5' of m5.large, 'n2' of n2-standard-4. */
export const familyOf = (type: string): string => /^[^.-]+/.exec(type)?.[0] ?? type;

/** What a node is, in what may be kept; undefined where its labels don't tell. */
export const kindsOf = (node: Node): Readonly<Record<Keep, string | undefined>> => {
  const type = typeOf(node);
  return {
    'capacity-type': valueAt(node.metadata.labels, KARPENTER_CAPACITY_TYPE),
    architecture: valueAt(node.metadata.labels, ARCH),
    zone: zoneOf(node),
    family: type === '' ? undefined : familyOf(type),
  };
};

const LABEL_OF = { 'capacity-type': KARPENTER_CAPACITY_TYPE, architecture: ARCH, zone: ZONE } as const;

/** What a machine must be to be like a node in what is kept; a family is told by its types, as every node tells its type. */
const likenessOf = (
  node: Node,
  keeps: readonly Keep[],
  typesOf: ReadonlyMap<string, readonly string[]>,
): SelectorRequirement[] => {
  const kinds = kindsOf(node);
  return keeps.flatMap((keep) => {
    const kind = kinds[keep];
    if (kind === undefined) return [];
    const [key, values] =
      keep === 'family'
        ? [INSTANCE_TYPE, [...new Set([typeOf(node), ...(typesOf.get(kind) ?? [])])]]
        : [LABEL_OF[keep], [kind]];
    return [{ key, operator: 'In' as const, values }];
  });
};

/** The pod, to be placed only on machines that meet these requirements. */
const tied = (pod: Pod, matchExpressions: readonly SelectorRequirement[]): Pod => {
  if (matchExpressions.length === 0) return pod;
  const terms =
    pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const isEmpty = (term: NodeSelectorTerm): boolean =>
    !term.matchExpressions?.length && !term.matchFields?.length;
  // To Kubernetes an empty term matches no node.
  const nodeSelectorTerms = terms?.map((term) =>
    isEmpty(term)
      ? term
      : { ...term, matchExpressions: [...(term.matchExpressions ?? []), ...matchExpressions] },
  ) ?? [{ matchExpressions }];
  return withNodeAffinity(pod, {
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
  });
};

/** The cluster with each running pod tied to the kind of machine that it runs on. */
export const keeping = (
  snapshot: Snapshot,
  keeps: readonly Keep[],
  { instanceTypes }: Catalogue,
): Snapshot => {
  if (keeps.length === 0) return snapshot;
  const names = [...new Set(instanceTypes.map(({ name }) => name))];
  const typesOf = Map.groupBy(names, familyOf);
  const likeness = new Map(
    snapshot.nodes.map((node) => [node.metadata.name, likenessOf(node, keeps, typesOf)]),
  );
  const pods = snapshot.pods.map((pod) =>
    isReschedulable(pod) ? tied(pod, likeness.get(pod.spec.nodeName ?? '') ?? []) : pod,
  );
  return { ...snapshot, pods };
};
