import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, OS, REGION, SPOT, ZONE } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
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

export const osOf = (node: Node): string => read(node, OS, 'beta.kubernetes.io/os') ?? 'linux';

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

/** Whether a node is EKS Fargate's: a machine for one pod, which is billed by what the pod requests. */
export const isOfFargate = (node: Node): boolean =>
  read(node, 'eks.amazonaws.com/compute-type') === 'fargate';
