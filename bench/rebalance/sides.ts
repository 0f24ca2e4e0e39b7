import { NODE_POOLS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { Ground } from '../../e2e/ground/ground.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Child } from '../support/child.ts';
import { POOL } from './scene.ts';

/** Who makes the cluster cheaper. */
export interface Side {
  readonly name: 'karpenter' | 'ours';
  /** Everything that is there before the clock starts. */
  prepare(): Promise<void>;
  /** From here on the time counts. */
  begin(): Promise<void>;
  /** What it says about its own work, a line each. */
  story(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export const karpenterSide = (client: KubeClient): Side => ({
  name: 'karpenter',
  prepare: async () => {},
  begin: async () => {
    const disruption = { consolidationPolicy: 'WhenEmptyOrUnderutilized', consolidateAfter: '0s' };
    await client.patch(NODE_POOLS, { name: POOL }, { spec: { disruption } });
  },
  story: async () => [],
  stop: async () => {},
});

const FEATURES = 'castai-kentroller-dynamic-config';
const AGENT = 'castai-agent';

const continuous = (enabled: boolean): string =>
  JSON.stringify({
    // Karpenter is given nodes of any age too, and looks every ten seconds.
    continuousRebalancing: { enabled, minNodeAgeSeconds: 0, maxNodesPerIteration: 1000 },
  });

const tune = (client: KubeClient, enabled: boolean): Promise<unknown> =>
  client.request('PATCH', `/api/v1/namespaces/${AGENT}/configmaps/${FEATURES}`, {
    query: { fieldManager: 'bench', force: 'true' },
    body: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: FEATURES, namespace: AGENT },
      data: { 'config.yaml': continuous(enabled) },
    },
    contentType: 'application/apply-patch+yaml',
  });

export const ourSide = (ground: Ground, client: KubeClient, typesFile: string): Side => {
  const children: Child[] = [];
  return {
    name: 'ours',
    prepare: async () => {
      await tune(client, false);
      const env = { KUBECONFIG: ground.kubeconfig, POD_IP: '127.0.0.1', PEER_PORT: '0', HEALTH_PORT: '0' };
      children.push(
        Child.ofOurs('kentroller/main.ts', {
          ...env,
          INSTANCE_TYPES_FILE_PATH: typesFile,
          LEASE_DURATION: '5s',
          RENEW_DEADLINE: '3s',
          RETRY_PERIOD: '1s',
        }),
        Child.ofOurs('extender/main.ts', { ...env, HOST: '127.0.0.1', PORT: '0' }),
      );
      await children[1]?.said('state of the world received');
    },
    begin: async () => {
      await tune(client, true);
    },
    story: async () => {
      const { items } = await client.list(REBALANCE_PLANS);
      return items
        .toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name))
        .map(({ metadata, spec, status }) => {
          const times = (status?.conditions ?? []).map(
            (c) => `${c.type} ${c.lastTransitionTime?.slice(11, 19)}`,
          );
          const counts = `+${spec.nodeClaimsToAdd?.length ?? 0} −${spec.nodeClaimsToDelete?.length ?? 0} nodes, ${spec.podsToMigrate?.length ?? 0} pods`;
          const placed = `${status?.achievedOutcome?.podsPlaced ?? '?'} placed`;
          return `${metadata.name} ${status?.state}: ${counts}, ${placed}; ${times.join(', ')}${status?.failureMessage ? `; ${status.failureMessage}` : ''}`;
        });
    },
    stop: async () => {
      for (const child of children.toReversed()) await child.stop();
    },
  };
};
