import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import { PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, watches } from '../../kube/controller/controller.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import { ownerUidOf, type State } from '../placement/state.ts';

const isNodeOf = (name: string, { nodeName, nodeClaim }: Intent): boolean =>
  name === nodeName || name === nodeClaim;

/**
 * Why a pod waits in vain for the node that it was nominated to, or null: no plan has that place for it any more, and
 * no Node of that name stands. Karpenter buys nothing for a pod that is nominated.
 */
export const staleNominationReason = (
  state: Pick<State, 'store' | 'nodes'>,
  pod: Pod,
): string | undefined => {
  const { store, nodes } = state;
  const name = pod.status?.nominatedNodeName ?? '';
  if (name === '' || pod.spec.nodeName || !isLive(pod) || nodes.get(name)) return undefined;
  if (!store.hasFullState && !store.isDisabled) return undefined;
  const intents = [...store.by('pod', pod.metadata.uid ?? ''), ...store.by('owner', ownerUidOf(pod))];
  if (intents.some(({ intent }) => isNodeOf(name, intent))) return undefined;
  return store.isDisabled ? 'pod pinning is off' : 'no plan has a place for it there any more';
};

/** Gives pods back to kube-scheduler and Karpenter whose nomination leads nowhere. Key: 'namespace/name'. */
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
      // Rare, and whoever waits for a node that goes has no other way to learn of it.
      watches(state.nodes, ({ metadata: { name } }, { type }) =>
        type === 'delete'
          ? keysOfNominated(state.pods.list().filter(({ status }) => status?.nominatedNodeName === name))
          : [],
      ),
    ],
    reconcile: async (key, signal) => {
      const pod = state.pods.get(key);
      const reason = pod && staleNominationReason(state, pod);
      if (!pod || !reason) return awaitChange;
      const { name, namespace = 'default', uid } = pod.metadata;
      const node = pod.status?.nominatedNodeName;
      const body = { metadata: { ...(uid && { uid }) }, status: { nominatedNodeName: null } };
      await client
        .patch(PODS, { name, namespace }, body, { subresource: 'status', signal })
        .then(() => log.info({ name, namespace, node, reason }, 'pod nomination removed'))
        .catch(ignoreNotFoundOrConflict);
      return awaitChange;
    },
  };
};
