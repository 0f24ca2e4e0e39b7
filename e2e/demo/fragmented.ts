import type { NodePool } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { applyPool, machinesReady, orderMachine } from '../support/fleet.ts';
import { applyDeployment, createNamespace, podsRunning } from '../support/workload.ts';

/** The demo's first cluster: too many machines, each too empty, as months of releases leave them. */

export const NAMESPACE = 'shop';
export const POOL = 'general';
export const MACHINES = 12;
export const INSTANCE_TYPE = 'm5.xlarge';

const DEPLOYMENTS = [
  ['cart', '120m', '256Mi'],
  ['catalogue', '200m', '384Mi'],
  ['checkout', '250m', '512Mi'],
  ['currency', '80m', '128Mi'],
  ['email', '100m', '192Mi'],
  ['frontend', '300m', '512Mi'],
  ['inventory', '150m', '320Mi'],
  ['payment', '180m', '384Mi'],
  ['recommendation', '220m', '768Mi'],
  ['search', '260m', '640Mi'],
  ['session', '90m', '256Mi'],
  ['shipping', '110m', '256Mi'],
] as const;

export const REPLICAS = 10;
export const PODS = DEPLOYMENTS.length * REPLICAS;

const ZONES = ['us-west-2a', 'us-west-2b', 'us-west-2c'] as const;

/** Orders the machines and waits until Karpenter calls them initialized. */
export const buildMachines = async (client: KubeClient): Promise<NodePool> => {
  const pool = await applyPool(client, { name: POOL });
  const names = Array.from({ length: MACHINES }, (_, i) => `${POOL}-${i + 1}`);
  await Promise.all(
    names.map((name, i) =>
      orderMachine(client, pool, {
        name,
        instanceType: INSTANCE_TYPE,
        zone: ZONES[i % ZONES.length] ?? ZONES[0],
      }),
    ),
  );
  await machinesReady(client, names, 180_000);
  return pool;
};

/** Applies the Deployments; kube-scheduler spreads their pods over all machines. */
export const buildWorkload = async (client: KubeClient): Promise<void> => {
  await createNamespace(client, NAMESPACE);
  await Promise.all(
    DEPLOYMENTS.map(([name, cpu, memory]) =>
      applyDeployment(client, { namespace: NAMESPACE, name, replicas: REPLICAS, cpu, memory, pool: POOL }),
    ),
  );
  await podsRunning(client, NAMESPACE, PODS, 180_000);
};
