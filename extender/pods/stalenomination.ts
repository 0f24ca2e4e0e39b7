import { healthOf } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isAwaitingPlan, isLive } from '../../api/pods.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, watches } from '../../kube/controller/controller.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import { writeNomination } from '../../kube/nomination.ts';
import { ownerUidOf, type State } from '../placement/state.ts';

const isNodeOf = (name: string, { nodeName, nodeClaim }: Intent): boolean =>
  name === nodeName || name === nodeClaim;

/**
 * Why a pod's nomination is stale: the node that its plan has it on is sick, or no plan has it on that node any more,
 * and the Node does not exist. undefined when it isn't; Karpenter buys no node for a nominated pod.
 */
export const staleNominationReason = (
  state: Pick<State, 'store' | 'nodes'>,
  pod: Pod,
): string | undefined => {
  const { store, nodes } = state;
  const name = pod.status?.nominatedNodeName ?? '';
  // A pod that waits for its plan is kentroller's business.
  if (name === '' || isAwaitingPlan(pod) || pod.spec.nodeName || !isLive(pod)) return undefined;
  const node = nodes.get(name);
  const health = node && healthOf(node);
  if (node && health?.kind !== 'sick') return undefined;
  if (!store.hasFullState && !store.isDisabled) return undefined;
  const intents = [...store.by('pod', pod.metadata.uid ?? ''), ...store.by('owner', ownerUidOf(pod))];
  const isPlanned = intents.some(({ intent }) => isNodeOf(name, intent));
  // A nomination that is not ours is kube-scheduler's business.
  if (health?.kind === 'sick') return isPlanned ? health.reason : undefined;
  if (isPlanned) return undefined;
  return store.isDisabled ? 'pod pinning is off' : 'no plan has a place for it on that node any more';
};

const isSick = (node: Node): boolean => healthOf(node).kind === 'sick';
const hasFallenSick = (before: Node, after: Node): boolean => isSick(after) && !isSick(before);

/** Removes stale nominations, so that kube-scheduler and Karpenter place the pods. Key: 'namespace/name'. */
export const createStaleNominationController = (o: {
  readonly client: KubeClient;
  readonly state: Pick<State, 'store' | 'nodes' | 'pods'>;
  readonly log: Logger;
}): Controller => {
  const { client, state, log } = o;
  const keyOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;
  const keysOfNominated = (pods: readonly Pod[]): readonly string[] =>
    pods.filter((pod) => pod.status?.nominatedNodeName && !pod.spec.nodeName).map(keyOf);
  return {
    name: 'pod.release',
    sources: [
      watches(state.pods, (pod, { type }) => (type === 'delete' ? [] : keysOfNominated([pod]))),
      watches(state.store, ({ intent: { pin } }, { type }) => {
        if (type !== 'delete' || !pin) return [];
        const pods = state.pods.by('owner', pin.owner?.uid ?? '');
        return [...keysOfNominated(pods), ...(pin.pod ? [`${pin.namespace}/${pin.pod.name}`] : [])];
      }),
      // Rare enough to list all pods; no other event reports this to the nominated pods.
      watches(state.nodes, (node, change) =>
        change.type === 'delete' || (change.type === 'update' && hasFallenSick(change.old, node))
          ? keysOfNominated(
              state.pods.list().filter(({ status }) => status?.nominatedNodeName === node.metadata.name),
            )
          : [],
      ),
    ],
    reconcile: async (key, signal) => {
      const pod = state.pods.get(key);
      const reason = pod && staleNominationReason(state, pod);
      if (!pod || !reason) return awaitChange;
      const { name, namespace = 'default' } = pod.metadata;
      const node = pod.status?.nominatedNodeName;
      await writeNomination({ client, signal }, pod, null)
        .then(() => log.info({ name, namespace, node, reason }, 'pod nomination removed'))
        .catch(ignoreNotFoundOrConflict);
      return awaitChange;
    },
  };
};
