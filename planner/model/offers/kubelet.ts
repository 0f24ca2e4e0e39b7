import type { NodeClassObject } from '../../../api/objects.ts';
import { amount } from '../../../api/quantity.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { InstanceType } from '../catalogue.ts';
import { keptFree } from './nodestorage.ts';

/** Kubelets of a NodeClass's machines, as Karpenter's AWS provider counts them (pkg/providers/instancetype/types.go). */

/** Memory that kubelets keep free unless told otherwise. */
const EVICTION_MEMORY = 100 * 1024 ** 2;

type Kubelet = NonNullable<NonNullable<NodeClassObject['spec']>['kubelet']>;

const podsOf = ({ capacity, overhead }: InstanceType, { maxPods, podsPerCore }: Kubelet): number => {
  const most = maxPods ?? capacity.pods - overhead.pods;
  return podsPerCore ? Math.min(most, podsPerCore * Math.max(1, Math.floor(capacity.cpu / 1000))) : most;
};

/** How a NodeClass tells the pods of its machines. Those of EKS Auto Mode are not counted by network interfaces. */
export const podsToldBy = ({ kind, spec }: NodeClassObject): { readonly pods?: 'set' | 'counted' } => {
  if (spec?.kubelet?.maxPods !== undefined) return { pods: 'set' };
  return kind === 'EC2NodeClass' ? { pods: 'counted' } : {};
};

/** The type as machines of a NodeClass with these kubelets are: pods, and what is reserved of CPU and memory. */
export const withKubelet = (type: InstanceType, nodeClass: NodeClassObject | undefined): InstanceType => {
  const kubelet = nodeClass?.spec?.kubelet;
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
  const tells = [kubeReserved, systemReserved].some((list) => valueAt(list, 'memory') !== undefined);
  // What the catalogue takes off has both parts in it: reserve, and eviction threshold.
  const memory =
    reserved('memory', Math.max(0, overhead.memory - EVICTION_MEMORY)) +
    keptFree(threshold, capacity.memory, EVICTION_MEMORY);
  return {
    ...type,
    capacity: { ...capacity, pods: podsOf(type, kubelet) },
    overhead: {
      ...overhead,
      cpu: reserved('cpu', overhead.cpu),
      memory: tells || threshold !== undefined ? memory : overhead.memory,
      pods: 0,
    },
  };
};
