import type { DeviceClass, Node, Pod } from '../../api/objects.ts';
import { podName } from '../../api/pods.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';

/** Prefix of the extended resource that a DeviceClass serves where it names none. */
const IMPLICIT = 'deviceclass.resource.kubernetes.io/';

/** Whether a resource is an extended one, which device plugins or DeviceClasses serve. */
const isExtended = (resource: string): boolean =>
  resource.startsWith(IMPLICIT) || (resource.includes('/') && !resource.includes('kubernetes.io/'));

/** Whether devices of claims serve an extended resource where a pod runs, or will run. */
type IsClaimed = (resource: string) => boolean;

const isImplicit: IsClaimed = (resource) => resource.startsWith(IMPLICIT);

/** An extended resource of the pod's containers that a claim gives it. Throws a QuantityError. */
const claimedResource = ({ spec }: Pod, isClaimed: IsClaimed): string | undefined => {
  for (const { resources } of [...spec.containers, ...(spec.initContainers ?? [])]) {
    for (const resource in resources?.requests) {
      if (!isExtended(resource) || !isClaimed(resource)) continue;
      if (amount(resource, valueAt(resources.requests, resource) ?? '0') > 0) return resource;
    }
  }
  return undefined;
};

/**
 * The devices that kube-scheduler allocates to a pod by resource claims (DRA), in words; undefined for a pod without.
 * Where devices are free is not modelled, so such a pod stays where it is. Throws a QuantityError.
 */
export const claimedDevices = (pod: Pod, isClaimed: IsClaimed = isImplicit): string | undefined => {
  const { spec, status } = pod;
  const names = (spec.resourceClaims ?? status?.resourceClaimStatuses ?? []).map(({ name }) => name);
  if (names.length > 0) return `resource claim${names.length > 1 ? 's' : ''} ${names.join(', ')}`;
  const extended = status?.extendedResourceClaimStatus;
  if (extended) return `resource claim ${extended.resourceClaimName} for extended resources`;
  const resource = claimedResource(pod, isClaimed);
  return resource === undefined ? undefined : `${resource} from a resource claim`;
};

/** The claimed devices of a pod on its node: an extended resource that the node does not advertise is from a claim. */
export const claimedDevicesOn = (node: Node, pod: Pod): string | undefined => {
  const { allocatable = {} } = node.status ?? {};
  return claimedDevices(pod, (resource) => amount(resource, valueAt(allocatable, resource) ?? '0') <= 0);
};

/** The resources that some node has. */
const advertisedBy = (nodes: readonly Node[]): ReadonlySet<string> =>
  new Set(
    nodes.flatMap(({ status: { allocatable = {} } = {} }) =>
      Object.keys(allocatable).filter(
        (resource) => amount(resource, valueAt(allocatable, resource) ?? '0') > 0,
      ),
    ),
  );

/**
 * The claimed devices of pods without a node: extended resources of DeviceClasses that no node advertises, as in
 * kube-scheduler.
 */
export const claimedDevicesOfPending = (
  classes: readonly DeviceClass[],
  nodes: readonly Node[],
): ((pod: Pod) => string | undefined) => {
  const served = new Set(classes.flatMap(({ spec }) => spec?.extendedResourceName ?? []));
  const advertised = served.size > 0 ? advertisedBy(nodes) : served;
  return (pod) =>
    claimedDevices(
      pod,
      (resource) => isImplicit(resource) || (served.has(resource) && !advertised.has(resource)),
    );
};

/** An extended resource of the pod that no node advertises, so that a DeviceClass may serve it. */
export const mayBeClaimed = (nodes: readonly Node[]): ((pod: Pod) => string | undefined) => {
  const advertised = advertisedBy(nodes);
  return (pod) => claimedResource(pod, (resource) => !advertised.has(resource));
};

/** Why a pod with claimed devices keeps its node from being replaced. */
export const claimBlocker = (pod: Pod, devices: string | undefined): string | undefined =>
  devices === undefined
    ? undefined
    : `pod ${podName(pod)} has ${devices}, and no other node is known to have such devices free`;
