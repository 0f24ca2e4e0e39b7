import type { ConfigMap, Node, OwnerReference, Pod, Taint } from '../../api/objects.ts';
import { CONFIG_MAPS, NODES, PODS } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { until } from '../../kube/testing/until.ts';

const AT_ONCE = 64;

/** The scheduler of pods that no scheduler of the ground is to look at. */
const NOBODY = 'nobody';
/** Schedulers whose pods are ours to place in a benchmark. */
export const SCHEDULERS = `default-scheduler,${NOBODY}`;

/** Does the work for every item, `limit` at a time. */
export const forEach = async <T>(
  items: Iterable<T>,
  work: (item: T) => Promise<unknown>,
  atOnce = AT_ONCE,
) => {
  const queue = [...items].values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
};

export const namesOf = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(5, '0')}`);

/** A ready Node without a kubelet. */
const readyNode = (name: string, labels: Readonly<Record<string, string>>, pods: number): Node => {
  const now = new Date().toISOString();
  const resources = { cpu: '64', memory: '256Gi', pods: String(pods) };
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          lastTransitionTime: now,
        },
      ],
      nodeInfo: { kubeletVersion: 'v1.36.3', operatingSystem: 'linux', architecture: 'amd64' },
    },
  } as Node;
};

export const makeNodes = async (
  client: KubeClient,
  names: readonly string[],
  o: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly pods?: number;
    readonly taints?: readonly Taint[];
  } = {},
): Promise<void> =>
  forEach(names, async (name) => {
    const { taints = [] } = o;
    const made = await client.create(NODES, readyNode(name, o.labels ?? {}, o.pods ?? 110));
    if (made.spec?.taints || taints.length > 0) await client.patch(NODES, { name }, { spec: { taints } });
  });

export const dropNodes = (client: KubeClient, names: readonly string[]): Promise<void> =>
  forEach(names, (name) => client.delete(NODES, { name }).catch(() => {}));

/** An owner that no controller of Kubernetes acts for. */
export const makeOwner = async (
  client: KubeClient,
  namespace: string,
  name: string,
): Promise<OwnerReference> => {
  const { metadata } = await client.create<ConfigMap>(CONFIG_MAPS, { metadata: { name, namespace } });
  return { apiVersion: 'v1', kind: 'ConfigMap', name, uid: metadata.uid ?? '', controller: true };
};

const CONTAINER = { name: 'main', image: 'main', resources: { requests: { cpu: '100m', memory: '128Mi' } } };

/** A small pod that only the named scheduler looks at. */
export const podOf = (o: {
  readonly name: string;
  readonly namespace: string;
  readonly scheduler?: string;
  readonly owner?: OwnerReference;
  readonly selector?: Readonly<Record<string, string>>;
}): Pod =>
  ({
    metadata: {
      name: o.name,
      namespace: o.namespace,
      labels: { app: 'bench' },
      ...(o.owner ? { ownerReferences: [o.owner] } : {}),
    },
    spec: {
      schedulerName: o.scheduler ?? NOBODY,
      terminationGracePeriodSeconds: 0,
      ...(o.selector ? { nodeSelector: o.selector } : {}),
      containers: [CONTAINER],
    },
  }) as Pod;

export const makePods = (client: KubeClient, pods: readonly Pod[]): Promise<void> =>
  forEach(pods, (pod) => client.create(PODS, pod));

/** Deletes all pods of a namespace and waits until they are gone. */
export const dropPods = async (client: KubeClient, namespace: string): Promise<void> => {
  await client.request('DELETE', `/api/v1/namespaces/${namespace}/pods`, {
    body: { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 },
  });
  await until(
    `the pods of ${namespace} gone`,
    async () => (await client.list(PODS, { namespace })).items.length === 0,
    { timeoutMs: 120_000 },
  );
};

/** Records when each pod of a namespace is first seen on a node. */
export class Bindings {
  readonly #at = new Map<string, number>();
  readonly #ended = new AbortController();

  static async watch(client: KubeClient, namespace: string): Promise<Bindings> {
    const made = new Bindings();
    const log = createLogger({ component: 'bench', level: 'error' });
    const cache = createCache({ client, resource: PODS, namespace, indexes: POD_INDEXES, log });
    cache.onChange(({ type, object: { metadata, spec } }) => {
      if (type === 'delete') made.#at.delete(metadata.name);
      else if (spec.nodeName && !made.#at.has(metadata.name)) made.#at.set(metadata.name, performance.now());
    });
    cache.start(made.#ended.signal);
    await cache.synced();
    return made;
  }

  get times(): readonly number[] {
    return [...this.#at.values()];
  }

  at(name: string): number | undefined {
    return this.#at.get(name);
  }

  /** Resolves when this many pods are on nodes. Throws when they are not in time. */
  async all(count: number, timeoutMs = 240_000): Promise<readonly number[]> {
    await until(`${count} pods bound`, () => this.#at.size >= count, { timeoutMs, everyMs: 20 }).catch(
      (cause: unknown) => {
        throw new Error(`${this.#at.size} of ${count} pods are bound after ${timeoutMs / 1000} s`, { cause });
      },
    );
    return this.times;
  }

  close(): void {
    this.#ended.abort();
  }
}

/** The API server's /metrics page. */
export const metricsPage = async (client: KubeClient): Promise<string> => {
  const answer = await client.stream('/metrics', {
    query: {},
    signal: AbortSignal.timeout(60_000),
    inactivityMs: 30_000,
  });
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
};
