import type { Pod, ReplicaSet } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import { namespaceOf } from '../../planner/scheduling/interpodaffinity.ts';

/** What makes a pod again. */
export interface Workload {
  /** 'Pod' where nothing makes it again. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** How kube-controller-manager ends the name of a Deployment's ReplicaSet. */
const POD_TEMPLATE_HASH = /-[a-z0-9]{8,10}$/;

/** Tells the workload of pods: their controller, or the one above it where that is a ReplicaSet. */
export const createWorkloadOf = (replicaSets: readonly ReplicaSet[]): ((pod: Pod) => Workload) => {
  const ownerOf = new Map(
    replicaSets.map(({ metadata }) => [
      metadata.uid,
      metadata.ownerReferences?.find(({ controller }) => controller),
    ]),
  );
  return (pod) => {
    const namespace = namespaceOf(pod);
    const owner = controllerOf(pod);
    if (!owner) return { kind: 'Pod', namespace, name: pod.metadata.name };
    if (owner.kind !== 'ReplicaSet') return { kind: owner.kind, namespace, name: owner.name };
    const above = ownerOf.get(owner.uid);
    if (above) return { kind: above.kind, namespace, name: above.name };
    // Without the ReplicaSet its name tells: only a Deployment ends it in this way.
    const name = owner.name.replace(POD_TEMPLATE_HASH, '');
    return { kind: name === owner.name ? 'ReplicaSet' : 'Deployment', namespace, name };
  };
};

/** 'Deployment default/web'. */
export const workloadName = ({ kind, namespace, name }: Workload): string => `${kind} ${namespace}/${name}`;
