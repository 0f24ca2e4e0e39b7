import type { Container, ContainerStatus, Pod, ResourceList } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';

/** Resource name → amount: CPU in millicores, everything else in whole units. */
export type Requests = Map<string, number>;

const read = (list: ResourceList | undefined): Requests => {
  const requests: Requests = new Map();
  for (const resource in list) requests.set(resource, amount(resource, valueAt(list, resource) ?? '0'));
  return requests;
};

const add = (to: Requests, list: Requests): void => {
  for (const [resource, value] of list) to.set(resource, (to.get(resource) ?? 0) + value);
};

const raise = (to: Requests, list: Requests): void => {
  for (const [resource, value] of list) to.set(resource, Math.max(to.get(resource) ?? 0, value));
};

const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

const isResizeInfeasible = (pod: Pod): boolean =>
  pod.status?.conditions?.find((c) => c.type === 'PodResizePending')?.reason === 'Infeasible';

/** A pod resized in place counts with the largest of its requested, allocated and actual amounts. */
const effectiveRequests = (
  pod: Pod,
  requested: ResourceList | undefined,
  ...allocated: (ResourceList | undefined)[]
): Requests => {
  const requests = isResizeInfeasible(pod) ? new Map<string, number>() : read(requested);
  for (const list of allocated) raise(requests, read(list));
  return requests;
};

const addList = (to: Requests, list: ResourceList | undefined): void => {
  for (const resource in list) {
    to.set(resource, (to.get(resource) ?? 0) + amount(resource, valueAt(list, resource) ?? '0'));
  }
};

/** Whether a pod counts with the sum of its containers' requests alone. */
const isPlain = ({ spec, status }: Pod): boolean =>
  !spec.initContainers?.length &&
  !spec.resources?.requests &&
  !spec.overhead &&
  !status?.containerStatuses?.length &&
  !status?.initContainerStatuses?.length;

const isPodLevel = (resource: string): boolean =>
  resource === 'cpu' || resource === 'memory' || resource.startsWith('hugepages-');

/**
 * A pod's requests as kube-scheduler counts them, with init containers, pod-level resources, in-place resize and
 * overhead. Source: PodRequests in k8s.io/component-helpers/resource. Throws a QuantityError.
 */
export const podRequests = (pod: Pod): Requests => {
  const { status } = pod;
  const total: Requests = new Map();
  if (isPlain(pod)) {
    for (const container of pod.spec.containers) addList(total, container.resources?.requests);
    total.set('pods', 1);
    return total;
  }
  const statuses = new Map<string, ContainerStatus>();
  for (const container of status?.containerStatuses ?? []) statuses.set(container.name, container);
  for (const container of status?.initContainerStatuses ?? []) statuses.set(container.name, container);
  const requestsOf = (container: Container): Requests => {
    const held = statuses.get(container.name);
    const specified = container.resources?.requests;
    return held?.resources
      ? effectiveRequests(pod, specified, held.resources.requests, held.allocatedResources)
      : read(specified);
  };

  for (const container of pod.spec.containers) add(total, requestsOf(container));
  const sidecars: Requests = new Map();
  const init: Requests = new Map();
  for (const container of pod.spec.initContainers ?? []) {
    if (isSidecar(container)) {
      const requests = requestsOf(container);
      add(total, requests);
      add(sidecars, requests);
      raise(init, sidecars);
    } else {
      const requests = read(container.resources?.requests);
      add(requests, sidecars);
      raise(init, requests);
    }
  }
  raise(total, init);
  const podLevel = pod.spec.resources?.requests;
  if (podLevel) {
    const held = status?.resources
      ? effectiveRequests(pod, podLevel, status.resources.requests, status.allocatedResources)
      : read(podLevel);
    for (const resource in podLevel) if (isPodLevel(resource)) total.set(resource, held.get(resource) ?? 0);
  }
  add(total, read(pod.spec.overhead));
  total.set('pods', 1);
  return total;
};
