import { AUTOSCALER_POLICY } from '../../api/kinds/autoscalerpolicy.ts';
import { KARPENTER_NODEPOOL, PLAN } from '../../api/labels.ts';
import type { CapacityBuffer, NodeClaim } from '../../api/objects.ts';
import { AUTOSCALER_POLICIES, CAPACITY_BUFFERS, NODE_CLAIMS, POD_TEMPLATES } from '../../api/resources.ts';
import { readFileCloud } from '../../cloud/filecloud.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { type Ground, up } from '../ground/ground.ts';
import { startKwok } from '../ground/kwok/kwok.ts';
import { kwokNodeClass, kwokNodePool } from '../ground/kwok/nodepool.ts';
import { createNamespace } from '../support/workload.ts';
import { closeKentrollerAccount, openKentrollerAccount } from './account.ts';
import { type Session, startSession } from './session.ts';

/** A ground with real Karpenter over machines without kubelets, a NodePool whose empty nodes it ends at once, and a buffer. */

export const POOL = 'buffers';
const BUFFER = { name: 'room', namespace: POOL };
export const CHUNK = { cpu: '900m', memory: '512Mi' };

export interface KwokStage {
  readonly client: KubeClient;
  /** Starts kentroller as the leader, by its account, which our admission policies judge. */
  kentroller(): Session;
  setPolicy(isServing: boolean): Promise<unknown>;
  createBuffer(replicas: number): Promise<unknown>;
  buffer(): Promise<CapacityBuffer>;
  /** Machines, and those of them that plans ordered. */
  machines(): Promise<{ readonly all: readonly NodeClaim[]; readonly ofPlans: readonly NodeClaim[] }>;
  /** Ends every kentroller, and the ground. */
  close(): Promise<void>;
}

const furnish = async (
  ground: Ground,
  karpenterEnv: Readonly<Record<string, string>>,
): Promise<KwokStage> => {
  const { typesFile } = await startKwok(ground, { joinMs: 2_000, karpenterEnv });
  const pool = kwokNodePool(POOL);
  const disruption = { ...pool.spec.disruption, consolidateAfter: '0s' };
  const ends = { ...pool, spec: { ...pool.spec, disruption } };
  for (const object of [kwokNodeClass, ends])
    await ground.kubectl(['apply', '--server-side', '-f', '-'], { input: JSON.stringify(object) });
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'buffers', qps: 200, burst: 400 });
  const kubeconfig = await openKentrollerAccount(ground, client);
  await createNamespace(client, POOL);
  const cloud = await readFileCloud(typesFile);
  const sessions: Session[] = [];
  return {
    client,
    kentroller: () => {
      const env = { PIN_ACKNOWLEDGE_TIMEOUT: '500ms' };
      const session = startSession({ kubeconfig, cloud, env, hasFeatures: true });
      sessions.push(session);
      return session;
    },
    setPolicy: (isServing) =>
      client.apply(
        AUTOSCALER_POLICIES,
        {
          metadata: { name: AUTOSCALER_POLICY },
          spec: {
            enabled: true,
            unschedulablePods: { enabled: true, capacityBuffers: { enabled: isServing } },
          },
        },
        { fieldManager: 'e2e', force: true },
      ),
    createBuffer: async (replicas) => {
      const containers = [{ name: 'c', image: 'pause:local', resources: { requests: CHUNK } }];
      const template = { spec: { nodeSelector: { [KARPENTER_NODEPOOL]: POOL }, containers } };
      await client.create(POD_TEMPLATES, { metadata: BUFFER, template });
      const spec = { podTemplateRef: { name: BUFFER.name }, replicas };
      await client.create(CAPACITY_BUFFERS, { metadata: BUFFER, spec });
    },
    buffer: () => client.get(CAPACITY_BUFFERS, BUFFER),
    machines: async () => {
      const { items } = await client.list(NODE_CLAIMS);
      const all = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      return { all, ofPlans: all.filter(({ metadata: { labels = {} } }) => labels[PLAN] !== undefined) };
    },
    close: async () => {
      for (const session of sessions) {
        session.stop();
        await session.ended;
      }
      closeKentrollerAccount(ground);
      client.close();
      await ground.down();
    },
  };
};

/** Brings up a ground of this name with Karpenter in this environment. */
export const openKwokStage = async (
  name: string,
  karpenterEnv: Readonly<Record<string, string>> = {},
): Promise<KwokStage> => {
  const ground = await up({ name });
  try {
    return await furnish(ground, karpenterEnv);
  } catch (error) {
    await ground.down();
    throw error;
  }
};
