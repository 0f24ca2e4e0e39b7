import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type t from 'tap';
import { KARPENTER_CAPACITY_TYPE } from '../../api/labels.ts';
import type { NodePool } from '../../api/objects.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { attach, type Ground } from '../ground/ground.ts';
import { applyPool, dropPool, machinesReady, orderMachine, type PoolOptions } from './fleet.ts';
import { applyDeployment, createNamespace, deleteNamespace, podsRunning } from './workload.ts';

/** A namespace, a NodePool and machines for one test, on the runner's ground. */
export interface Stage {
  readonly ground: Ground;
  readonly client: KubeClient;
  readonly name: string;
  readonly pool: NodePool;
  /** Names of the NodeClaims that the stage began with. */
  readonly machines: readonly string[];
}

export interface StageOptions {
  readonly name: string;
  readonly machines: number;
  readonly instanceType?: string;
  /** Of the machines and the NodePool; on-demand by default. */
  readonly capacityType?: string;
  readonly deployments?: number;
  readonly replicas?: number;
  readonly cpu?: string;
  readonly memory?: string;
  readonly podSpec?: object;
  readonly pool?: Partial<PoolOptions>;
}

const DUMPS = [
  ['get', 'rpc,rp,nodeclaims,nodes', '-o', 'wide'],
  ['get', 'rp', '-o', 'yaml'],
  ['get', 'pods', '-A', '-o', 'wide'],
  ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
  ['logs', '-n', 'castai-agent', '-l', 'app=castai-kentroller', '--tail=200', '--prefix'],
  ['logs', '-n', 'castai-agent', '-l', 'app=castai-pod-pinner', '--tail=200', '--prefix'],
] as const;

/** Writes a dump of the cluster into the ground's logs, for the reader of a failure. */
export const dumpState = async (ground: Ground, name: string): Promise<string> => {
  const parts = await Promise.all(
    DUMPS.map((args) =>
      ground.kubectl(args).then(
        (text) => `$ kubectl ${args.join(' ')}\n${text}`,
        (error: unknown) => `$ kubectl ${args.join(' ')}\n${String(error)}`,
      ),
    ),
  );
  const file = join(ground.dir, 'logs', `${name}.dump.txt`);
  writeFileSync(file, parts.join('\n\n'));
  return file;
};

/** Sets the stage, runs the act, and clears the stage again; a failure leaves a dump. */
export const onStage = async (
  test: Pick<typeof t, 'comment'>,
  o: StageOptions,
  act: (stage: Stage) => Promise<void>,
): Promise<void> => {
  const groundName = process.env.GROUND_NAME;
  if (!groundName) throw new Error('GROUND_NAME is not set: run this suite with make e2e');
  const ground = attach(groundName);
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: `e2e-${o.name}`, qps: 200, burst: 400 });
  const clear = async () => {
    const plans = await client.list(REBALANCE_PLANS);
    const claims = await client.list(REBALANCE_PLAN_CLAIMS);
    await Promise.all([
      ...claims.items.map((c) => client.delete(REBALANCE_PLAN_CLAIMS, { name: c.metadata.name })),
      ...plans.items.map((p) => client.delete(REBALANCE_PLANS, { name: p.metadata.name })),
    ]).catch(() => undefined);
    await deleteNamespace(client, o.name);
    await dropPool(client, o.name);
    client.close();
  };
  try {
    const only = { key: KARPENTER_CAPACITY_TYPE, operator: 'In' as const, values: [o.capacityType ?? ''] };
    const pool = await applyPool(client, {
      name: o.name,
      ...(o.capacityType && { requirements: [only] }),
      ...o.pool,
    });
    const machines = Array.from({ length: o.machines }, (_, i) => `${o.name}-${i + 1}`);
    await Promise.all(
      machines.map((name) =>
        orderMachine(client, pool, {
          name,
          instanceType: o.instanceType ?? 'm5.xlarge',
          zone: 'us-west-2a',
          ...(o.capacityType && { capacityType: o.capacityType }),
        }),
      ),
    );
    await machinesReady(client, machines, 120_000);
    await createNamespace(client, o.name);
    const deployments = o.deployments ?? 3;
    const replicas = o.replicas ?? 4;
    await Promise.all(
      Array.from({ length: deployments }, (_, i) =>
        applyDeployment(client, {
          namespace: o.name,
          name: `app-${i + 1}`,
          replicas,
          cpu: o.cpu ?? '200m',
          memory: o.memory ?? '256Mi',
          pool: o.name,
          ...(o.podSpec ? { podSpec: o.podSpec } : {}),
        }),
      ),
    );
    await podsRunning(client, o.name, deployments * replicas, 120_000);
    await act({ ground, client, name: o.name, pool, machines });
  } catch (error) {
    test.comment(`state of the cluster: ${await dumpState(ground, o.name)}`);
    throw error;
  } finally {
    await clear();
  }
};
