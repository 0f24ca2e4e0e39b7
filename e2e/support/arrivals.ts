import { KARPENTER_DO_NOT_DISRUPT } from '../../api/labels.ts';
import type { KubeObject, Node, Pod } from '../../api/objects.ts';
import { NODES, PODS, type Resource } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import type { Daemon } from './daemons.ts';
import { isRunning } from './workload.ts';

/** What came to one node, and when; times are resource versions, which all objects of a cluster share. */
export interface Arrivals {
  /** When the pod of each DaemonSet was bound. */
  readonly daemons: ReadonlyMap<string, number>;
  /** When the first pod of a Deployment ran. */
  readonly firstPodRan: number | undefined;
  /** When the plan released the node. */
  readonly released: number | undefined;
  /** Names of the strangers that were bound before that. */
  readonly strangers: readonly string[];
}

/** Watches the pods of a namespace and all nodes during a plan. */
export interface ArrivalWitness {
  on(node: string): Arrivals;
  stop(): void;
}

export const STRANGER = 'stranger';

interface Seen {
  readonly bound: Map<string, { readonly pod: Pod; readonly at: number }>;
  readonly ran: Map<string, number>;
}

const versionOf = ({ metadata }: KubeObject): number => Number(metadata.resourceVersion);

/** Starts watching, and runs what the program of a DaemonSet's pod would do once the pod runs on a node. */
export const witnessArrivals = async (
  client: KubeClient,
  namespace: string,
  daemons: readonly Daemon[],
): Promise<ArrivalWitness> => {
  const stopping = new AbortController();
  const log = createLogger({ component: 'arrivals', level: 'warn' });
  const pods: Seen = { bound: new Map(), ran: new Map() };
  const locked = new Set<string>();
  const released = new Map<string, number>();

  const lookAtNode = (node: Node): void => {
    const { name, annotations } = node.metadata;
    if (annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined) locked.add(name);
    else if (locked.delete(name)) released.set(name, versionOf(node));
  };
  const lookAtPod = (pod: Pod): void => {
    const { uid = '', labels } = pod.metadata;
    const { nodeName } = pod.spec;
    if (nodeName === undefined) return;
    if (!pods.bound.has(uid)) pods.bound.set(uid, { pod, at: versionOf(pod) });
    if (!isRunning(pod) || pods.ran.has(uid)) return;
    pods.ran.set(uid, versionOf(pod));
    const act = daemons.find(({ name }) => name === labels?.daemon)?.act;
    act?.(client, nodeName).catch((error: unknown) => log.error({ error, nodeName }, 'daemon failed'));
  };
  const watch = <T extends KubeObject>(resource: Resource<T>, look: (o: T) => void, scope: object = {}) => {
    const cache = createCache({ client, log, resource, ...scope });
    cache.onChange((change) => {
      if (change.type !== 'delete') look(change.object);
    });
    cache.start(stopping.signal);
    return cache.synced(stopping.signal);
  };
  await Promise.all([watch(NODES, lookAtNode), watch(PODS, lookAtPod, { namespace })]);

  return {
    on: (node) => {
      const here = [...pods.bound.values()].filter(({ pod }) => pod.spec.nodeName === node);
      const openedAt = released.get(node) ?? Number.POSITIVE_INFINITY;
      const arrived = new Map<string, number>();
      let firstPodRan: number | undefined;
      for (const { pod, at } of here) {
        const { uid = '', labels } = pod.metadata;
        if (labels?.daemon !== undefined) {
          arrived.set(labels.daemon, Math.min(at, arrived.get(labels.daemon) ?? Number.POSITIVE_INFINITY));
        } else if (labels?.app !== STRANGER) {
          const ranAt = pods.ran.get(uid);
          if (ranAt !== undefined) firstPodRan = Math.min(ranAt, firstPodRan ?? ranAt);
        }
      }
      return {
        daemons: arrived,
        firstPodRan,
        released: released.get(node),
        strangers: here
          .filter(({ pod, at }) => pod.metadata.labels?.app === STRANGER && at < openedAt)
          .map(({ pod }) => pod.metadata.name),
      };
    },
    stop: () => stopping.abort(new Error('the test is over')),
  };
};
