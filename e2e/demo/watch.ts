import * as labels from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { NODE_CLAIMS, NODES, PODS, REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import type { Seen } from './state.ts';

export interface Watching {
  seen(): Seen;
  /** Pods that a kubelet refused or that failed, by name, each with its reason. */
  readonly refused: ReadonlyMap<string, string>;
}

/** Watches what the demo shows: the pool's machines, the namespace's pods, the claim and its plan. */
export const watchDemo = async (o: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly pool: string;
  readonly claimName: string;
  readonly priceOf: (instanceType: string) => number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}): Promise<Watching> => {
  const { client, log } = o;
  const ofPool = `${labels.KARPENTER_NODEPOOL}=${o.pool}`;
  const nodes = createCache({ client, log, resource: NODES, labelSelector: ofPool });
  const nodeClaims = createCache({ client, log, resource: NODE_CLAIMS, labelSelector: ofPool });
  const pods = createCache({ client, log, resource: PODS, namespace: o.namespace });
  const claims = createCache({ client, log, resource: REBALANCE_PLAN_CLAIMS });
  const plans = createCache({ client, log, resource: REBALANCE_PLANS });
  const refused = new Map<string, string>();
  const lookForRefusal = (pod: Pod): void => {
    if (pod.status?.phase !== 'Failed') return;
    refused.set(pod.metadata.name, pod.status.reason ?? 'Failed');
  };
  pods.onChange((change) => {
    if (change.type !== 'delete') lookForRefusal(change.object);
  });
  const all = [nodes, nodeClaims, pods, claims, plans];
  for (const cache of all) cache.start(o.signal);
  await Promise.all(all.map((cache) => cache.synced(o.signal)));
  return {
    refused,
    seen: () => {
      const claim = claims.get(o.claimName);
      const plan = plans.get(claim?.status?.rebalanceName ?? '');
      return {
        nodes: nodes.list(),
        nodeClaims: nodeClaims.list(),
        pods: pods.list(),
        claim,
        plan,
        priceOf: o.priceOf,
      };
    },
  };
};
