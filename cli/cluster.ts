import type { KubeObject, NodeClassObject, NodePool } from '../api/objects.ts';
import {
  CSI_NODES,
  DAEMON_SETS,
  DEVICE_CLASSES,
  LIMIT_RANGES,
  NAMESPACES,
  NODE_CLAIMS,
  NODE_OVERLAYS,
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
import { isUnserved, KubeError, lacksRight, messageOf, OptionsError } from '../kube/errors.ts';
import { nodeClassKindsOf } from '../planner/model/nodepool.ts';
import { type Snapshot, snapshotFromList } from '../planner/model/snapshot.ts';
import { UNREAD_NODE_OVERLAYS, unreadNodeClasses } from '../planner/model/unread.ts';
import { UsageError } from './flags.ts';

/** The kinds that plans depend on: without one of them, plans would break scheduling rules or budgets. */
const SNAPSHOT_KINDS: readonly Resource<KubeObject>[] = [
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

/** A message as a sentence: capital letter, full stop. */
export const toSentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? '' : '.'}`;

const listKind = async (client: KubeClient, resource: Resource<KubeObject>): Promise<object[]> =>
  // The API server leaves kind out of a list's items.
  (await client.list(resource)).items.map((item) => ({ ...item, kind: resource.kind }));

/** One error for all kinds that can't be listed: missing permissions first. */
const errorOf = (failures: readonly { readonly resource: Resource; readonly error: unknown }[]): Error => {
  const denied = failures.filter(({ error }) => lacksRight(error));
  if (denied.length > 0) {
    const plurals = denied.map(({ resource }) => resource.plural).join(', ');
    return new UsageError(
      `The user of the kubeconfig may not list ${plurals} in all namespaces: grant it with a ClusterRole.`,
    );
  }
  const missing = failures.find(({ error }) => isUnserved(error));
  if (missing) {
    const { group, version, plural } = missing.resource;
    return new UsageError(
      `The cluster does not serve ${plural} of ${group}/${version}: Karpenter 1.0 or newer is not installed there.`,
    );
  }
  const [first] = failures;
  if (first?.error instanceof KubeError) return new UsageError(toSentence(first.error.message));
  return first?.error instanceof Error ? first.error : new Error(messageOf(first?.error));
};

/** Objects of a kind: none where the cluster does not know it, undefined where the user may not list it. */
const listIfAllowed = async <T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
): Promise<readonly T[] | undefined> => {
  try {
    return (await client.list(resource)).items;
  } catch (error) {
    if (isUnserved(error)) return [];
    if (lacksRight(error)) return undefined;
    throw error;
  }
};

/** What a missing right to list LimitRanges leaves unknown. */
const NO_LIMIT_RANGES =
  "LimitRanges were not read, so DaemonSets without a pod count without their namespace's defaults: grant list on limitranges.";

/** The NodeClasses of the kinds that NodePools name, and what a missing right leaves unknown. */
const listNodeClasses = async (
  client: KubeClient,
  pools: readonly NodePool[],
): Promise<{ readonly nodeClasses: readonly NodeClassObject[]; readonly notes: readonly string[] }> => {
  const answers = await Promise.all(
    nodeClassKindsOf(pools).map(async (resource) => ({
      resource,
      objects: await listIfAllowed(client, resource),
    })),
  );
  return {
    nodeClasses: answers.flatMap(({ resource, objects = [] }) =>
      objects.map((object) => ({ ...object, kind: resource.kind })),
    ),
    notes: answers.flatMap(({ resource, objects }) => (objects ? [] : [unreadNodeClasses(resource)])),
  };
};

/** Lists the cluster's objects. Throws UsageError for missing permissions, missing kinds and failed requests. */
export const listSnapshot = async (client: KubeClient): Promise<Snapshot> => {
  const answers = await Promise.allSettled(SNAPSHOT_KINDS.map((resource) => listKind(client, resource)));
  const failures = answers.flatMap((answer, index) => {
    const resource = SNAPSHOT_KINDS[index];
    return answer.status === 'rejected' && resource ? [{ resource, error: answer.reason as unknown }] : [];
  });
  if (failures.length > 0) throw errorOf(failures);
  const snapshot = snapshotFromList({
    items: answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : [])),
  });
  const [deviceClasses, limitRanges, nodeOverlays, ofClouds] = await Promise.all([
    listIfAllowed(client, DEVICE_CLASSES),
    listIfAllowed(client, LIMIT_RANGES),
    listIfAllowed(client, NODE_OVERLAYS),
    listNodeClasses(client, snapshot.nodePools),
  ]);
  const notes = [
    ...(snapshot.notes ?? []),
    ...(limitRanges ? [] : [NO_LIMIT_RANGES]),
    ...(nodeOverlays ? [] : [UNREAD_NODE_OVERLAYS]),
    ...ofClouds.notes,
  ];
  return {
    ...snapshot,
    ...(deviceClasses && { deviceClasses }),
    ...(limitRanges && { limitRanges }),
    ...(nodeOverlays && { nodeOverlays }),
    ...(ofClouds.nodeClasses.length > 0 && { nodeClasses: ofClouds.nodeClasses }),
    ...(notes.length > 0 && { notes }),
  };
};

/** A client for the cluster of a kubeconfig, or for the cluster of the pod with this environment. Throws UsageError. */
export const connectTo = (
  kubeconfig: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): KubeClient => {
  try {
    return connect({
      ...(kubeconfig !== undefined && { kubeconfig }),
      userAgent: 'precision-packer-cli',
      env,
    });
  } catch (cause) {
    if (!(cause instanceof OptionsError)) throw cause;
    throw new UsageError(toSentence(cause.message), { cause });
  }
};

/** Reads the cluster of a kubeconfig, or the cluster of the pod with this environment. Throws UsageError. */
export const readCluster = async (
  kubeconfig: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Snapshot> => {
  const client = connectTo(kubeconfig, env);
  try {
    return await listSnapshot(client);
  } finally {
    client.close();
  }
};
