import type { KubeObject } from '../api/objects.ts';
import {
  CSI_NODES,
  DAEMON_SETS,
  NAMESPACES,
  NODE_CLAIMS,
  NODE_POOLS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  POD_DISRUPTION_BUDGETS,
  PODS,
  REPLICA_SETS,
  type Resource,
  STORAGE_CLASSES,
} from '../api/resources.ts';
import { connect, type KubeClient } from '../kube/client/client.ts';
import { isForbidden, isNotFound, KubeError, OptionsError } from '../kube/errors.ts';
import { type Snapshot, snapshotFromList } from '../planner/model/snapshot.ts';
import { UsageError } from './flags.ts';

/** All that a plan depends on. Leaving one out would make plans that the scheduler or a budget refuses. */
const READ: readonly Resource<KubeObject>[] = [
  NODES,
  PODS,
  NODE_POOLS,
  NODE_CLAIMS,
  DAEMON_SETS,
  REPLICA_SETS,
  POD_DISRUPTION_BUDGETS,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  CSI_NODES,
  NAMESPACES,
];

const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? '' : '.'}`;

const listKind = async (client: KubeClient, resource: Resource<KubeObject>): Promise<object[]> =>
  // Items of a list carry no kind of their own.
  (await client.list(resource)).items.map((item) => ({ ...item, kind: resource.kind }));

const whyNot = (failures: readonly { readonly resource: Resource; readonly error: unknown }[]): Error => {
  const denied = failures.filter(
    ({ error }) => isForbidden(error) && error instanceof KubeError && error.status === 403,
  );
  if (denied.length > 0) {
    const plurals = denied.map(({ resource }) => resource.plural).join(', ');
    return new UsageError(
      `The kubeconfig's user may not list ${plurals} in all namespaces: grant it with a ClusterRole.`,
    );
  }
  const missing = failures.find(({ error }) => isNotFound(error));
  if (missing) {
    const { group, version, plural } = missing.resource;
    return new UsageError(
      `The cluster does not serve ${plural} of ${group}/${version}: Karpenter 1.0 or newer is not installed there.`,
    );
  }
  const [first] = failures;
  if (first?.error instanceof KubeError) return new UsageError(sentence(first.error.message));
  return first?.error instanceof Error ? first.error : new Error(String(first?.error));
};

/** Reads the cluster, and only reads. Throws a UsageError whose message is one sentence. */
export const snapshotOf = async (client: KubeClient): Promise<Snapshot> => {
  const answers = await Promise.allSettled(READ.map((resource) => listKind(client, resource)));
  const failures = answers.flatMap((answer, index) => {
    const resource = READ[index];
    return answer.status === 'rejected' && resource ? [{ resource, error: answer.reason as unknown }] : [];
  });
  if (failures.length > 0) throw whyNot(failures);
  return snapshotFromList({
    items: answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : [])),
  });
};

/** Reads the cluster that a kubeconfig names; without one, the cluster of the pod whose environment this is. */
export const readCluster = async (
  kubeconfig: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Snapshot> => {
  let client: KubeClient;
  try {
    client = connect({
      ...(kubeconfig !== undefined && { kubeconfig }),
      userAgent: 'precision-packer-cli',
      env,
    });
  } catch (cause) {
    if (!(cause instanceof OptionsError)) throw cause;
    throw new UsageError(sentence(cause.message), { cause });
  }
  try {
    return await snapshotOf(client);
  } finally {
    client.close();
  }
};
