import type { Node, Pod, ResourceList, Taint } from '../../api/objects.ts';
import { hasEnded } from '../../api/pods.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Labels } from './nodeaffinity.ts';
import { podRequests, type Requests } from './noderesources.ts';

/** A node with its pods and free resources, as kube-scheduler's NodeInfo. */
export interface NodeInfo {
  readonly name: string;
  readonly labels: Labels;
  /** Labels of a node to come that it may have with a value that nobody knows. */
  readonly unknownLabels?: ReadonlySet<string>;
  readonly taints: readonly Taint[];
  readonly unschedulable: boolean;
  /** Allocatable less requests, per resource: CPU in millicores, everything else in whole units. */
  readonly free: Requests;
  readonly pods: readonly Pod[];
}

/** A node's allocatable resources. Throws a QuantityError. */
export const allocatable = (node: Node): Requests => readAmounts(node.status?.allocatable);

/** Reads a resource list in kube-scheduler's units. Throws a QuantityError. */
export const readAmounts = (list: ResourceList = {}): Requests => {
  const amounts: Requests = new Map();
  for (const resource in list) amounts.set(resource, amount(resource, valueAt(list, resource) ?? '0'));
  return amounts;
};

/** Deducts requests from free resources, or gives them back when sign is -1. */
export const deductRequests = (free: Requests, requests: Requests, sign: 1 | -1 = 1): void => {
  for (const [resource, value] of requests) free.set(resource, (free.get(resource) ?? 0) - sign * value);
};

/** Reads a pod's requests. */
export type ReadRequests = (pod: Pod) => Requests;

/** A reader that reads each pod object once. */
export const memoizeRequests = (): ReadRequests => {
  const known = new WeakMap<Pod, Requests>();
  return (pod) => {
    let requests = known.get(pod);
    if (!requests) {
      requests = podRequests(pod);
      known.set(pod, requests);
    }
    return requests;
  };
};

/** A node with the pods on it, without those that have ended. Throws a QuantityError. */
export const nodeInfoOf = (
  node: Node,
  podsOnIt: readonly Pod[],
  requestsOf: ReadRequests = podRequests,
): NodeInfo => {
  const pods = podsOnIt.filter((pod) => !hasEnded(pod));
  const free = allocatable(node);
  for (const pod of pods) deductRequests(free, requestsOf(pod));
  return {
    name: node.metadata.name,
    labels: node.metadata.labels ?? {},
    taints: node.spec?.taints ?? [],
    unschedulable: node.spec?.unschedulable === true,
    free,
    pods,
  };
};
