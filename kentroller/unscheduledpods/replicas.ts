import type { HorizontalPodAutoscaler, OwnerReference, Pod, ReplicaSet } from '../../api/objects.ts';
import { controllerKey, controllerOf, isLive } from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { WORKLOADS } from '../../api/resources.ts';

/** Replicas that HorizontalPodAutoscalers have asked for and that are no pods yet. KEDA's count like others. */

export interface DueReplicas {
  /** 'namespace/kind/name' of what is scaled. */
  readonly target: string;
  readonly due: number;
  readonly ref: Readonly<Record<'apiGroup' | 'kind' | 'name' | 'namespace', string>>;
  /** Whether its pods can be told before they are there, by its template. */
  readonly hasTemplate: boolean;
}

export const dueOf = (replicas: readonly DueReplicas[]): number =>
  replicas.reduce((sum, { due }) => sum + due, 0);

/** Numbers of pods and of replicas to come, for people. */
export const podsAndReplicas = (pods: number, replicas: number): string =>
  `${pods} pods${replicas > 0 ? ` and ${replicas} replicas to come` : ''}`;

/** Why an autoscaler does not count; undefined when it does. */
export const staysOut = ({ status }: HorizontalPodAutoscaler): string | undefined => {
  for (const type of ['ScalingActive', 'AbleToScale'] as const) {
    const condition = status?.conditions?.find((each) => each.type === type);
    if (condition?.status === 'False')
      return `its condition ${type} is False (${condition.reason ?? 'no reason'})`;
  }
  return undefined;
};

/** Live pods by controller. */
const podCounts = (pods: readonly Pod[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (!owner || !isLive(pod)) continue;
    const key = controllerKey(owner, pod.metadata.namespace ?? '');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
};

/** Live pods of each target, with those of a Deployment's ReplicaSets; by 'namespace/kind/name'. */
const podsByTarget = (
  pods: readonly Pod[],
  replicaSets: readonly ReplicaSet[],
): ((target: string) => number) => {
  const targets = new Map<string, number>();
  const add = (namespace: string, owner: Pick<OwnerReference, 'kind' | 'name'>, n: number): void => {
    const key = `${namespace}/${owner.kind}/${owner.name}`;
    targets.set(key, (targets.get(key) ?? 0) + n);
  };
  const deployments = new Map<string, OwnerReference>();
  for (const { metadata } of replicaSets) {
    const owner = metadata.ownerReferences?.find(({ controller }) => controller);
    const self = { kind: 'ReplicaSet', name: metadata.name, uid: metadata.uid ?? '' };
    if (owner) deployments.set(controllerKey(self, metadata.namespace ?? ''), owner);
  }
  for (const [key, n] of podCounts(pods)) {
    const [namespace = '', kind = '', name = ''] = key.split('/');
    add(namespace, { kind, name }, n);
    const deployment = deployments.get(key);
    if (deployment) add(namespace, deployment, n);
  }
  return (target) => targets.get(target) ?? 0;
};

/** One entry per target, which has the most that any autoscaler asks for it: two of them ask for the same pods. */
const byTarget = (replicas: readonly DueReplicas[]): readonly DueReplicas[] => {
  const most = new Map<string, DueReplicas>();
  for (const each of replicas) {
    const key = `${each.ref.apiGroup} ${each.target}`;
    if (each.due > (most.get(key)?.due ?? 0)) most.set(key, each);
  }
  return [...most.values()];
};

/** What is due, per target of autoscalers that count. One at its maximum has nothing to add once its pods exist. */
export const dueReplicas = (
  autoscalers: readonly HorizontalPodAutoscaler[],
  { pods, replicaSets }: { readonly pods: readonly Pod[]; readonly replicaSets: readonly ReplicaSet[] },
): readonly DueReplicas[] => {
  const growing = autoscalers.filter(
    (each) =>
      staysOut(each) === undefined &&
      (each.status?.desiredReplicas ?? 0) > (each.status?.currentReplicas ?? 0),
  );
  if (growing.length === 0) return [];
  const countOf = podsByTarget(pods, replicaSets);
  const replicas = growing.flatMap(({ metadata, spec, status }) => {
    const { apiVersion = 'apps/v1', kind, name } = spec.scaleTargetRef;
    const { namespace = 'default' } = metadata;
    const target = `${namespace}/${kind}/${name}`;
    const due = Math.min(status?.desiredReplicas ?? 0, spec.maxReplicas) - countOf(target);
    const [apiGroup = ''] = apiVersion.split('/');
    const hasTemplate = apiGroup === 'apps' && valueAt(WORKLOADS, kind) !== undefined;
    return due > 0 ? [{ target, due, ref: { apiGroup, kind, name, namespace }, hasTemplate }] : [];
  });
  return byTarget(replicas);
};
