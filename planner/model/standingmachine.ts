import { ARCH, INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, OS, REGION, SPOT, ZONE } from '../../api/labels.ts';
import type { Node, NodeSelectorTerm } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { CapacityType } from './capacitytype.ts';

/** The keys of a fact in the order in which they count; beside Karpenter's, those of older nodes. */
const read = (node: Node, ...keys: readonly string[]): string | undefined => {
  for (const key of keys) {
    const value = valueAt(node.metadata.labels, key);
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
};

/** The name of a node's instance type; empty where no label tells it. */
export const typeOf = (node: Node): string =>
  read(node, INSTANCE_TYPE, 'beta.kubernetes.io/instance-type') ?? '';

export const zoneOf = (node: Node): string | undefined =>
  read(node, ZONE, 'failure-domain.beta.kubernetes.io/zone');

export const regionOfNode = (node: Node): string | undefined =>
  read(node, REGION, 'failure-domain.beta.kubernetes.io/region');

const OS_KEYS = [OS, 'beta.kubernetes.io/os'] as const;
const ARCH_KEYS = [ARCH, 'beta.kubernetes.io/arch'] as const;
/** The system of a node that names none. */
const DEFAULT_OS = 'linux';

export const osOf = (node: Node): string => read(node, ...OS_KEYS) ?? DEFAULT_OS;

/** The kind of machine that an image runs on, such as linux/amd64. */
export const platformOf = (node: Node): string => `${osOf(node)}/${read(node, ...ARCH_KEYS) ?? 'unknown'}`;

type Expressions = NonNullable<NodeSelectorTerm['matchExpressions']>;

/** How nodes tell one value of a fact: by the first key, else by the next, by none where that is what a missing label means. */
const tellings = (
  keys: readonly string[],
  value: string | undefined,
  missing: string | undefined,
): readonly Expressions[] => {
  const without = (before: readonly string[]): Expressions =>
    before.map((key) => ({ key, operator: 'DoesNotExist' }));
  return [
    ...(value === undefined
      ? []
      : keys.map((key, n) => [
          ...without(keys.slice(0, n)),
          { key, operator: 'In' as const, values: [value] },
        ])),
    ...(value === missing ? [without(keys)] : []),
  ];
};

/** Terms of a selector of all nodes that are of a node's kind of machine. */
export const samePlatformTerms = (node: Node): readonly NodeSelectorTerm[] =>
  tellings(OS_KEYS, osOf(node), DEFAULT_OS).flatMap((os) =>
    tellings(ARCH_KEYS, read(node, ...ARCH_KEYS), undefined).map((arch) => ({
      matchExpressions: [...os, ...arch],
    })),
  );

/** What managed node groups and other autoscalers write of a node's capacity type: label, value, meaning. */
const CAPACITY_LABELS: readonly (readonly [string, string, CapacityType])[] = [
  ['eks.amazonaws.com/capacityType', 'SPOT', 'spot'],
  ['eks.amazonaws.com/capacityType', 'CAPACITY_BLOCK', 'reserved'],
  ['node.kubernetes.io/lifecycle', 'spot', 'spot'],
  ['lifecycle', 'Ec2Spot', 'spot'],
  ['cloud.google.com/gke-spot', 'true', 'spot'],
  ['cloud.google.com/gke-preemptible', 'true', 'spot'],
  ['cloud.google.com/gke-provisioning', 'spot', 'spot'],
  ['kubernetes.azure.com/scalesetpriority', 'spot', 'spot'],
  [SPOT, 'true', 'spot'],
];

/** A node's capacity type by Karpenter's label, else by those of others; on-demand where none says more. */
export const capacityTypeOf = (node: Node): string =>
  read(node, KARPENTER_CAPACITY_TYPE) ??
  CAPACITY_LABELS.find(([key, value]) => read(node, key) === value)?.[2] ??
  'on-demand';

/** What is to be said of a node of Fargate. */
export const OF_FARGATE = 'not managed by Karpenter but by Fargate';

/** Whether a node is EKS Fargate's: a machine for one pod, which is billed by what the pod requests. */
export const isOfFargate = (node: Node): boolean =>
  read(node, 'eks.amazonaws.com/compute-type') === 'fargate';
