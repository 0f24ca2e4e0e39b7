import { NODE_POOLS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { Ground } from '../../e2e/ground/ground.ts';
import { callHere } from '../../e2e/run/components/callhere.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { Child } from '../support/child.ts';
import { freePort } from '../support/port.ts';
import { POOL } from './scene.ts';

/** One side: who makes the cluster cheaper. */
export interface Side {
  readonly name: 'karpenter' | 'ours';
  /** Prepares everything before the clock starts. */
  prepare(): Promise<void>;
  /** Starts the measurement. */
  begin(): Promise<void>;
  /** The side's own account of its work, line by line. */
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
    // Karpenter may take nodes of any age, and looks every ten seconds.
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

export interface OurSideOptions {
  /** Karpenter's file of instance types. */
  readonly typesFile: string;
  /** Nodes that one plan drains at once; 20 where left out. */
  readonly drains?: number;
}

/** Our components as processes, with the settings of a cluster except these. */
const startOurs = async (
  ground: Ground,
  client: KubeClient,
  { typesFile, drains }: OurSideOptions,
): Promise<readonly Child[]> => {
  const env = { KUBECONFIG: ground.kubeconfig, POD_IP: '127.0.0.1', PEER_PORT: '0', HEALTH_PORT: '0' };
  const host = ground.hostAddress;
  const port = await freePort(host);
  await callHere(client, host, port);
  const kentroller = Child.ofOurs('kentroller/main.ts', {
    ...env,
    INSTANCE_TYPES_FILE_PATH: typesFile,
    // The NodePool's budget applies to us as it does to Karpenter.
    MAX_SIMULTANEOUS_DRAINS: String(drains ?? 20),
  });
  const pinner = Child.ofOurs('extender/main.ts', { ...env, HOST: '127.0.0.1', PORT: '0' });
  const webhook = Child.ofOurs('webhook/main.ts', {
    ...env,
    HOST: host,
    PORT: String(port),
    SHUTDOWN_DELAY: '100ms',
  });
  const keeper = Child.ofOurs('webhook/keeper/main.ts', { ...env, EXTRA_NAMES: host, SETTLE: '1s' });
  const children = [kentroller, pinner, webhook, keeper];
  try {
    await Promise.all([pinner.said('full state received'), webhook.said('certificate loaded')]);
  } catch (error) {
    await stopAll(children);
    throw error;
  }
  return children;
};

const stopAll = async (children: readonly Child[]): Promise<void> => {
  for (const child of children.toReversed()) await child.stop();
};

export const ourSide = (
  ground: Ground,
  client: KubeClient,
  o: OurSideOptions,
): Side & { readonly kentroller: () => Child | undefined } => {
  let children: readonly Child[] = [];
  return {
    name: 'ours',
    kentroller: () => children[0],
    prepare: async () => {
      await tune(client, false);
      children = await startOurs(ground, client, o);
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
    stop: () => stopAll(children),
  };
};
