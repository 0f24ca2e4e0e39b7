import * as labels from '../../api/labels.ts';
import type { KubeObject, Node, Pod } from '../../api/objects.ts';
import { isUnschedulable, podName } from '../../api/pods.ts';
import { NODES, PODS, type Resource } from '../../api/resources.ts';
import { type Change, createCache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';

/** Watches a cluster during a test and records what must never happen, or must happen once. */
export interface Witness {
  /** Names of the Nodes that carried our label before a kubelet joined. */
  readonly placeholders: ReadonlySet<string>;
  /** Names of the placeholders that a kubelet has taken over since. */
  readonly adopted: ReadonlySet<string>;
  /** Pods that were seen in phase Failed: name, reason, message. */
  readonly failed: ReadonlyMap<string, string>;
  /** Pods that were bound to a placeholder before its kubelet joined: pod uid to node name. */
  readonly boundEarly: ReadonlyMap<string, string>;
  stop(): void;
}

/** Starts watching; it sees every state that the API server reports, without polling. */
export const witness = async (client: KubeClient, namespace: string): Promise<Witness> => {
  const stopping = new AbortController();
  const log = createLogger({ component: 'witness', level: 'warn' });
  const placeholders = new Set<string>();
  const adopted = new Set<string>();
  const failed = new Map<string, string>();
  const boundEarly = new Map<string, string>();
  const isStanding = new Set<string>();
  const lookAtNode = (node: Node): void => {
    const { name } = node.metadata;
    const hasKubelet = (node.status?.nodeInfo?.kubeletVersion ?? '') !== '';
    if (!hasKubelet && node.metadata.labels?.[labels.PLACEHOLDER] !== undefined) {
      placeholders.add(name);
      isStanding.add(name);
    }
    if (hasKubelet && isStanding.delete(name)) adopted.add(name);
  };
  const lookAtPod = (pod: Pod): void => {
    const node = pod.spec.nodeName;
    if (pod.status?.phase === 'Failed') {
      failed.set(pod.metadata.name, `${pod.status.reason ?? ''} ${pod.status.message ?? ''}`);
    }
    if (node !== undefined && isStanding.has(node)) boundEarly.set(pod.metadata.uid ?? '', node);
  };
  const watch = <T extends KubeObject>(
    resource: Resource<T>,
    look: (object: T) => void,
    scope: object = {},
  ) => {
    const cache = createCache({ client, log, resource, ...scope });
    cache.onChange((change) => {
      if (change.type !== 'delete') look(change.object);
    });
    cache.start(stopping.signal);
    return cache.synced(stopping.signal);
  };
  await Promise.all([watch(NODES, lookAtNode), watch(PODS, lookAtPod, { namespace })]);
  return {
    placeholders,
    adopted,
    failed,
    boundEarly,
    stop: () => stopping.abort(new Error('the test is over')),
  };
};

/** Records of pods that kube-scheduler refused whether they were nominated, version by version: Karpenter buys for those that were not. */
export class NominationWitness {
  /** Names of the pods, each with whether it was nominated in the version that it was first seen refused in. */
  readonly #refused = new Map<string, boolean>();
  /** Versions of pods that were refused and not nominated, with when they were seen. */
  readonly unheld: string[] = [];

  look({ type, object: pod }: Change<Pod>): void {
    if (type === 'delete' || !isUnschedulable(pod) || pod.spec.nodeName) return;
    const isNominated = (pod.status?.nominatedNodeName ?? '') !== '';
    const name = podName(pod);
    if (!this.#refused.has(name)) this.#refused.set(name, isNominated);
    if (!isNominated)
      this.unheld.push(`${name} at version ${pod.metadata.resourceVersion}, ${new Date().toISOString()}`);
  }

  /** Pods that were nominated by the write that refused them: the API server's policy does that, and kentroller comes a version later. */
  get nominatedAtOnce(): readonly string[] {
    return [...this.#refused].flatMap(([name, isAtOnce]) => (isAtOnce ? [name] : []));
  }

  get refused(): readonly string[] {
    return [...this.#refused.keys()];
  }

  clear(): void {
    this.#refused.clear();
    this.unheld.length = 0;
  }
}
