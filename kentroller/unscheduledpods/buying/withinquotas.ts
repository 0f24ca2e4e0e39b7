import type { Pod, ResourceQuota } from '../../../api/objects.ts';
import { amount, QuantityError } from '../../../api/quantity.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import { RESOURCE_QUOTAS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { lacksRight } from '../../../kube/errors.ts';
import { podRequests } from '../../../planner/scheduling/noderesources.ts';

/** Replicas to come that the ResourceQuotas of their namespaces let come: what else may be asked for is never bought for. */

type Use = ReadonlyMap<string, number>;

/** What a quota counts of a pod, by the names that quotas have for it. Source: pkg/quota/v1/evaluator/core/pods.go. */
const useOf = (pod: Pod): Use => {
  const use = new Map([
    ['pods', 1],
    ['count/pods', 1],
  ]);
  for (const [resource, value] of podRequests(pod)) {
    if (resource === 'pods') continue;
    use.set(`requests.${resource}`, value);
    if (['cpu', 'memory', 'ephemeral-storage'].includes(resource)) use.set(resource, value);
  }
  for (const { resources } of pod.spec.containers) {
    for (const [resource, text] of Object.entries(resources?.limits ?? {})) {
      const name = `limits.${resource}`;
      use.set(name, (use.get(name) ?? 0) + amount(resource, text));
    }
  }
  return use;
};

/** Whether a scope takes a pod in; one that is not known does, as nothing is bought in doubt. */
const isInScope = (
  { spec }: Pod,
  { name, operator, values = [] }: { name: string; operator: string; values?: readonly string[] | undefined },
): boolean => {
  const asks = spec.containers.some(
    ({ resources }) => Object.keys({ ...resources?.requests, ...resources?.limits }).length > 0,
  );
  const priority = spec.priorityClassName ?? '';
  switch (name) {
    // No template of a workload that is scaled has a deadline.
    case 'Terminating':
      return false;
    case 'NotTerminating':
      return true;
    case 'BestEffort':
      return !asks;
    case 'NotBestEffort':
      return asks;
    case 'PriorityClass':
      if (operator === 'In') return values.includes(priority);
      if (operator === 'NotIn') return !values.includes(priority);
      return (priority !== '') === (operator === 'Exists');
    default:
      return true;
  }
};

const concerns = ({ spec }: ResourceQuota, pod: Pod): boolean =>
  (spec?.scopes ?? []).every((name) => isInScope(pod, { name, operator: 'Exists' })) &&
  (spec?.scopeSelector?.matchExpressions ?? []).every(({ scopeName, operator, values }) =>
    isInScope(pod, { name: scopeName, operator, values }),
  );

/** What a quota leaves, by its own names, in the units of `amount`. */
const leftOf = ({ spec, status }: ResourceQuota): Map<string, number> =>
  new Map(
    Object.entries(status?.hard ?? spec?.hard ?? {}).map(([name, hard]) => {
      const resource = name.replace(/^(requests|limits)\./, '');
      return [name, amount(resource, hard) - amount(resource, valueAt(status?.used, name) ?? '0')];
    }),
  );

/** Counts pods to come of one namespace against its quotas: a pod that all of them have room for takes it, and is told so. */
export const quotaRoom = (quotas: readonly ResourceQuota[]): ((pod: Pod) => boolean) => {
  const all = quotas.map((quota) => ({ quota, left: leftOf(quota) }));
  return (pod) => {
    const use = useOf(pod);
    const asked = all.filter(({ quota }) => concerns(quota, pod));
    const hasRoom = asked.every(({ left }) =>
      [...left].every(([name, value]) => (use.get(name) ?? 0) <= Math.max(0, value)),
    );
    for (const { left } of hasRoom ? asked : []) {
      for (const [name, value] of left) left.set(name, value - (use.get(name) ?? 0));
    }
    return hasRoom;
  };
};

/** Those of pods to come of one namespace that its quotas have room for together, in their order. */
export const withinQuotas = (pods: readonly Pod[], quotas: readonly ResourceQuota[]): readonly Pod[] =>
  pods.filter(quotaRoom(quotas));

/** Pods to come that quotas leave room for; none of a namespace whose quotas or templates can't be read. */
export const withinTheirQuotas = async (
  { client, signal }: { readonly client: Pick<KubeClient, 'list'>; readonly signal: AbortSignal },
  pods: readonly Pod[],
): Promise<readonly Pod[]> => {
  const left: Pod[] = [];
  for (const [namespace, its] of Map.groupBy(pods, ({ metadata }) => metadata.namespace ?? 'default')) {
    const quotas = await client.list(RESOURCE_QUOTAS, { namespace, signal }).catch((error: unknown) => {
      if (!lacksRight(error)) throw error;
      return undefined;
    });
    if (!quotas) continue;
    try {
      left.push(...withinQuotas(its, quotas.items));
    } catch (error) {
      // One namespace keeps no other from buying.
      if (!(error instanceof QuantityError)) throw error;
    }
  }
  return left;
};
