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
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { fits, nodeView } from '../../planner/fit.ts';
import { emptySnapshot, type Snapshot } from '../../planner/snapshot.ts';
import { volumesOf } from '../../planner/volume.ts';
import { type Case, NAMESPACES } from './cases.ts';
import type { Oracle } from './scheduler.ts';

/** A pod that the scheduler and `fits` do not agree on. */
export interface Disagreement {
  readonly seed: number;
  readonly pod: Pod;
  readonly onlyScheduler: readonly string[];
  readonly onlyOurs: readonly string[];
  readonly message: string;
}

export interface Verdict {
  readonly compared: number;
  readonly refused: readonly string[];
  readonly disagreements: readonly Disagreement[];
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const inParallel = async <T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> => {
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
  const deadline = Date.now() + 30_000;
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

const putStatus = async (client: KubeClient, { metadata, status }: Pod): Promise<void> => {
  const ref = { name: metadata.name, namespace: metadata.namespace ?? '' };
  await client.patch(PODS, ref, { status }, { subresource: 'status' });
};

/** Creates a pod, with its status where it has one; answers false when the API server finds it invalid. */
const create = async (client: KubeClient, pod: Pod): Promise<boolean> => {
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

const isDecided = (pod: Pod): boolean =>
  pod.status?.conditions?.some((each) => each.type === 'PodScheduled' && each.status === 'False') === true;

const remove = async (deletion: Promise<void>): Promise<void> => {
  try {
    await deletion;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
};

const removePod = (client: KubeClient, pod: Pod): Promise<void> => {
  const ref = { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' };
  return remove(client.delete(PODS, ref, { gracePeriodSeconds: 0 }));
};

const PROBE = 'differential/probe';

/** What the scheduler says of the probes: per pod, the nodes that passed and its message. */
const ask = async (
  client: KubeClient,
  oracle: Oracle,
  probes: readonly Pod[],
  round: number,
): Promise<Map<string, { readonly passed: readonly string[]; readonly pod: Pod }>> => {
  const named = new Map<string, Pod>();
  const sent: Pod[] = [];
  await inParallel(probes, async (probe) => {
    const pod: Pod = {
      ...probe,
      metadata: {
        ...probe.metadata,
        name: `${probe.metadata.name}-${round}`,
        annotations: { [PROBE]: 'true' },
      },
      spec: { ...probe.spec, schedulerName: oracle.schedulerName },
    };
    named.set(pod.metadata.name, probe);
    if (await create(client, pod)) sent.push(pod);
  });
  const answers = new Map<string, { readonly passed: readonly string[]; readonly pod: Pod }>();
  const deadline = Date.now() + 30_000;
  while (answers.size < sent.length) {
    if (Date.now() > deadline)
      throw new Error(`the scheduler decided ${answers.size} of ${sent.length} pods in 30 s`);
    for (const namespace of Object.keys(NAMESPACES)) {
      for (const pod of (await client.list(PODS, { namespace })).items) {
        const probe = named.get(pod.metadata.name);
        if (!probe || !isDecided(pod)) continue;
        answers.set(probe.metadata.name, { passed: oracle.passed.get(pod.metadata.name) ?? [], pod });
      }
    }
    await pause(40);
  }
  await inParallel(sent, (pod) => removePod(client, pod));
  return answers;
};

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

/** Waits until the volume controller has bound what names each other and knows which volumes are free. */
const volumesSettle = async (client: KubeClient, { seed, volumes }: Case): Promise<void> => {
  const bound = new Set(
    volumes.claims.filter((each) => each.spec?.volumeName).map((each) => each.metadata.name),
  );
  const isOurs = (each: KubeObject): boolean => each.metadata.name.startsWith(`c${seed}-`);
  const deadline = Date.now() + 30_000;
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
const worldOf = async (client: KubeClient, seed: number): Promise<Snapshot> => {
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

/** The nodes that `fits` lets a pod onto. */
const oursOf = (pod: Pod, world: Snapshot): string[] => {
  const nodes = world.nodes.map((node) =>
    nodeView(
      node,
      world.pods.filter((each) => each.spec.nodeName === node.metadata.name),
    ),
  );
  const namespaces = new Map(
    world.namespaces.map((each) => [each.metadata.name, each.metadata.labels ?? {}]),
  );
  const volumes = volumesOf(world);
  return nodes
    .filter((view) => fits(pod, view, { nodes, namespaces, volumes }) === null)
    .map((view) => view.name);
};

const podsOf = async (client: KubeClient): Promise<Pod[]> =>
  (
    await Promise.all(
      Object.keys(NAMESPACES).map(async (namespace) => (await client.list(PODS, { namespace })).items),
    )
  ).flat();

/** Puts a case before the scheduler and before `fits`. What differs is asked again, lest a cache was behind. */
export const compare = async (client: KubeClient, oracle: Oracle, given: Case): Promise<Verdict> => {
  const existing: Pod[] = [];
  try {
    for (const [resource, objects] of partsOf(given)) {
      await inParallel(objects, (object) => client.create(resource, object));
    }
    await inParallel(given.nodes, (node) => client.create(NODES, node));
    await volumesSettle(client, given);
    await inParallel(given.existing, async (pod) => {
      if (await create(client, pod)) existing.push(pod);
    });
    let open = given.probes;
    let compared = 0;
    let disagreements: Disagreement[] = [];
    const refused: string[] = [];
    for (let round = 0; round < 4 && open.length > 0; round += 1) {
      if (round > 0) await pause(300 * round);
      oracle.forget();
      const answers = await ask(client, oracle, open, round);
      // Listed anew each time: pods that do not tolerate a NoExecute taint are evicted meanwhile.
      const world = await worldOf(client, given.seed);
      disagreements = [];
      const again: Pod[] = [];
      for (const probe of open) {
        const answer = answers.get(probe.metadata.name);
        if (!answer) {
          if (round === 0) refused.push(probe.metadata.name);
          continue;
        }
        if (round === 0) compared += 1;
        const theirs = answer.passed.filter((name) => name.startsWith(`c${given.seed}-`));
        const ours = oursOf(answer.pod, world);
        const onlyScheduler = theirs.filter((name) => !ours.includes(name));
        const onlyOurs = ours.filter((name) => !theirs.includes(name));
        if (onlyScheduler.length + onlyOurs.length === 0) continue;
        const message =
          answer.pod.status?.conditions?.find((each) => each.type === 'PodScheduled')?.message ?? '';
        disagreements.push({ seed: given.seed, pod: answer.pod, onlyScheduler, onlyOurs, message });
        again.push(probe);
      }
      open = again;
    }
    return { compared, refused, disagreements };
  } finally {
    await inParallel(existing, (pod) => removePod(client, pod));
    await inParallel(given.nodes, (node) => remove(client.delete(NODES, { name: node.metadata.name })));
    for (const [resource, objects] of partsOf(given).reverse()) {
      await inParallel(objects, ({ metadata: { name, namespace } }) =>
        remove(client.delete(resource, { name, ...(namespace !== undefined && { namespace }) })),
      );
    }
  }
};
