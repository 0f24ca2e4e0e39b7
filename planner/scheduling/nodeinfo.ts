import type { Node, Pod, ResourceList, Taint } from '../../api/objects.ts';
import { hasEnded } from '../../api/pods.ts';
import { amount } from '../../api/quantity.ts';
import type { Labels } from './nodeaffinity.ts';
import { podRequests, type Requests } from './noderesources.ts';

/** One node as a scheduler sees it: what it is, what it has left, and the pods on it. */
export interface NodeInfo {
  readonly name: string;
  readonly labels: Labels;
  readonly taints: readonly Taint[];
  readonly unschedulable: boolean;
  /** What is left of each resource; CPU in millicores, everything else in whole units. */
  readonly free: Requests;
  readonly pods: readonly Pod[];
}

/** What a node gives to pods: its allocatable resources. */
export const allocatable = (node: Node): Requests => readAmounts(node.status?.allocatable);

/** Reads a resource list as kube-scheduler counts it. */
export const readAmounts = (list: ResourceList = {}): Requests => {
  const amounts: Requests = new Map();
  for (const resource in list) amounts.set(resource, amount(resource, list[resource] ?? '0'));
  return amounts;
};

/** Takes what a pod asks off what is left. */
export const deductRequests = (free: Requests, requests: Requests, sign: 1 | -1 = 1): void => {
  for (const [resource, value] of requests) free.set(resource, (free.get(resource) ?? 0) - sign * value);
};

/** Reads what a pod asks for; one that remembers saves counting the same pods again and again. */
export type ReadRequests = (pod: Pod) => Requests;

/** A reader that remembers each pod, as long as the pod itself is kept. */
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

/** A node with the pods on it; pods that have ended take nothing. Throws a QuantityError. */
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
