import type { KubeObject, Pod } from '../../api/objects.ts';
import {
  CSI_NODES,
  NAMESPACES as NAMESPACE_RESOURCE,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  type Resource,
  STORAGE_CLASSES,
} from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { paced } from '../../kube/testing/pace.ts';
import { emptySnapshot, type Snapshot } from '../../planner/model/snapshot.ts';
import { type Case, NAMESPACES } from './cases.ts';

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const inParallel = async <T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<void> => {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
    }),
  );
};

/** The namespaces that cases use, each with its default service account. */
export const makeNamespaces = async (client: KubeClient): Promise<void> => {
  for (const [name, labels] of Object.entries(NAMESPACES)) {
    await client.create(NAMESPACE_RESOURCE, { metadata: { name, labels } });
  }
  const deadline = Date.now() + paced(30_000);
  for (const name of Object.keys(NAMESPACES)) {
    for (;;) {
      try {
        await client.request('GET', `/api/v1/namespaces/${name}/serviceaccounts/default`);
        break;
      } catch (cause) {
        if (Date.now() > deadline) throw new Error(`namespace ${name} has no service account`, { cause });
        await pause(50);
      }
    }
  }
};

/** Waits for a change of something that may be gone already. */
const unlessGone = async (change: Promise<unknown>): Promise<void> => {
  try {
    await change;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
};

/** Writes a pod's status; a pod that was evicted by a taint before has none. */
const putStatus = async (client: KubeClient, { metadata, status }: Pod): Promise<void> => {
  const ref = { name: metadata.name, namespace: metadata.namespace ?? '' };
  await unlessGone(client.patch(PODS, ref, { status }, { subresource: 'status' }));
};

/** Creates a pod, with its status where it has one; answers false when the API server finds it invalid. */
export const create = async (client: KubeClient, pod: Pod): Promise<boolean> => {
  try {
    await client.create(PODS, pod);
    if (pod.status) await putStatus(client, pod);
    return true;
  } catch (error) {
    const status = (error as { status?: number }).status;
    if (status === 422 || status === 400 || status === 403) return false;
    throw error;
  }
};

export const removePod = (client: KubeClient, pod: Pod): Promise<void> => {
  const ref = { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' };
  return unlessGone(client.delete(PODS, ref, { gracePeriodSeconds: 0 }));
};

const podsOf = async (client: KubeClient): Promise<Pod[]> =>
  (
    await Promise.all(
      Object.keys(NAMESPACES).map(async (namespace) => (await client.list(PODS, { namespace })).items),
    )
  ).flat();

/** The kinds that a case has beside nodes and pods, each with its objects, in the order in which they are made. */
const partsOf = ({ volumes }: Case): (readonly [Resource<KubeObject>, readonly KubeObject[]])[] => [
  [STORAGE_CLASSES, volumes.classes],
  [PERSISTENT_VOLUMES, volumes.volumes],
  [PERSISTENT_VOLUME_CLAIMS, volumes.claims],
  [CSI_NODES, volumes.csiNodes],
];

interface Phased extends KubeObject {
  readonly status?: { readonly phase?: string };
}

/**
 * Waits until the volume controller has bound the volumes and claims that name each other and has seen the free
 * volumes.
 */
const volumesSettle = async (client: KubeClient, { seed, volumes }: Case): Promise<void> => {
  const bound = new Set(
    volumes.claims.filter((each) => each.spec?.volumeName).map((each) => each.metadata.name),
  );
  const isOurs = (each: KubeObject): boolean => each.metadata.name.startsWith(`c${seed}-`);
  const deadline = Date.now() + paced(30_000);
  for (;;) {
    const claims: readonly Phased[] = (await client.list(PERSISTENT_VOLUME_CLAIMS)).items.filter(isOurs);
    const found: readonly Phased[] = (await client.list(PERSISTENT_VOLUMES)).items.filter(isOurs);
    const open = [
      ...claims.filter((each) => bound.has(each.metadata.name) && each.status?.phase !== 'Bound'),
      ...found.filter((each) => !['Bound', 'Available'].includes(each.status?.phase ?? '')),
    ];
    if (open.length === 0) return;
    if (Date.now() > deadline) {
      throw new Error(`${open.map((each) => each.metadata.name).join(', ')} did not settle in 30 s`);
    }
    await pause(40);
  }
};

/** The cluster of a case as the API server has it. */
export const worldOf = async (client: KubeClient, seed: number): Promise<Snapshot> => {
  const list = async <T extends KubeObject>(resource: Resource<T>): Promise<T[]> =>
    (await client.list(resource)).items.filter((each) => each.metadata.name.startsWith(`c${seed}-`));
  const [nodes, pods, classes, persistentVolumes, claims, csiNodes] = await Promise.all([
    list(NODES),
    podsOf(client),
    list(STORAGE_CLASSES),
    list(PERSISTENT_VOLUMES),
    list(PERSISTENT_VOLUME_CLAIMS),
    list(CSI_NODES),
  ]);
  return {
    ...emptySnapshot,
    nodes,
    pods,
    storageClasses: classes,
    persistentVolumes,
    persistentVolumeClaims: claims,
    csiNodes,
    namespaces: Object.entries(NAMESPACES).map(([name, labels]) => ({
      metadata: { name, labels: { ...labels, 'kubernetes.io/metadata.name': name } },
    })),
  };
};

/** Makes a case in the API server. */
export const makeCase = async (client: KubeClient, given: Case): Promise<void> => {
  for (const [resource, objects] of partsOf(given)) {
    await inParallel(objects, (object) => client.create(resource, object));
  }
  await inParallel(given.nodes, (node) => client.create(NODES, node));
  await volumesSettle(client, given);
  await inParallel(given.existing, (pod) => create(client, pod));
};

/** Removes a case from the API server, whatever state it is in. */
export const removeCase = async (client: KubeClient, given: Case): Promise<void> => {
  await inParallel(given.existing, (pod) => removePod(client, pod));
  await inParallel(given.nodes, (node) => unlessGone(client.delete(NODES, { name: node.metadata.name })));
  for (const [resource, objects] of partsOf(given).reverse()) {
    await inParallel(objects, ({ metadata: { name, namespace } }) =>
      unlessGone(client.delete(resource, { name, ...(namespace !== undefined && { namespace }) })),
    );
  }
};
