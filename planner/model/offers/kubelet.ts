import type { NodeClassObject } from '../../../api/objects.ts';
import { amount } from '../../../api/quantity.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { InstanceType } from '../catalogue.ts';
import { familyOf, keptFree } from './nodestorage.ts';

/** Kubelets of a NodeClass's machines, as Karpenter's AWS provider counts them (pkg/providers/instancetype/types.go). */

/** Memory that kubelets keep free unless told otherwise. */
const EVICTION_MEMORY = 100 * 1024 ** 2;

type Kubelet = NonNullable<NonNullable<NodeClassObject['spec']>['kubelet']>;

/** Families whose reserve of memory grows with the pods that their kubelets take, not with the network interfaces. */
const RESERVES_BY_PODS = /^(bottlerocket|windows)/;
/** Pods of a Windows machine unless told otherwise. */
const WINDOWS_PODS = 110;

const podsOf = (
  { capacity, overhead }: InstanceType,
  { maxPods, podsPerCore }: Kubelet,
  family: string,
): number => {
  const byDefault = family.startsWith('windows') ? WINDOWS_PODS : capacity.pods - overhead.pods;
  const most = maxPods ?? byDefault;
  return podsPerCore && family !== 'bottlerocket'
    ? Math.min(most, podsPerCore * Math.max(1, Math.floor(capacity.cpu / 1000)))
    : most;
};

/** Memory that Kubernetes itself keeps on a machine with so many pods. */
const kubeMemory = (pods: number): number => (11 * pods + 255) * 1024 ** 2;

/** How a NodeClass tells the pods of its machines. Those of EKS Auto Mode are not counted by network interfaces. */
export const podsToldBy = ({ kind, spec }: NodeClassObject): { readonly pods?: 'set' | 'counted' } => {
  if (spec?.kubelet?.maxPods !== undefined) return { pods: 'set' };
  return kind === 'EC2NodeClass' ? { pods: 'counted' } : {};
};

/** The type as machines of a NodeClass with these kubelets are: pods, and what is reserved of CPU and memory. */
export const withKubelet = (type: InstanceType, nodeClass: NodeClassObject | undefined): InstanceType => {
  const family = nodeClass ? familyOf(nodeClass) : '';
  const kubelet = nodeClass?.spec?.kubelet ?? (family.startsWith('windows') ? {} : undefined);
  if (!kubelet) return type;
  const { capacity, overhead } = type;
  const { kubeReserved, systemReserved, evictionHard } = kubelet;
  /** Reserved for both; `byDefault` where nothing is said of Kubernetes' own part. */
  const reserved = (resource: 'cpu' | 'memory', byDefault: number): number => {
    const own = valueAt(kubeReserved, resource);
    const ofSystem = amount(resource, valueAt(systemReserved, resource) ?? '0');
    return (own === undefined ? byDefault : amount(resource, own)) + ofSystem;
  };
  const threshold = valueAt(evictionHard, 'memory.available');
  const pods = podsOf(type, kubelet, family);
  // The catalogue's reserve is for the number of pods that it lists.
  const isByPods = RESERVES_BY_PODS.test(family) && pods !== capacity.pods - overhead.pods;
  const tells = [kubeReserved, systemReserved].some((list) => valueAt(list, 'memory') !== undefined);
  // What the catalogue takes off has both parts in it: reserve, and eviction threshold.
  const memory =
    reserved('memory', isByPods ? kubeMemory(pods) : Math.max(0, overhead.memory - EVICTION_MEMORY)) +
    keptFree(threshold, capacity.memory, EVICTION_MEMORY);
  return {
    ...type,
    capacity: { ...capacity, pods },
    overhead: {
      ...overhead,
      cpu: reserved('cpu', overhead.cpu),
      memory: isByPods || tells || threshold !== undefined ? memory : overhead.memory,
      pods: 0,
    },
  };
};
