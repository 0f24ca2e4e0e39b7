import * as labels from '../../api/labels.ts';
import { applyDeployment } from '../../e2e/support/workload.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { randomFrom } from '../../planner/search/random.ts';

/** One Deployment of a burst. */
export interface App {
  readonly name: string;
  readonly replicas: number;
  readonly cpu: string;
  readonly memory: string;
  readonly podSpec: object;
}

const CPUS = [100, 200, 250, 500, 500, 1000, 1500, 2000] as const;
const GIB_PER_CPU = [0.5, 1, 2, 2, 4, 7] as const;
const ZONES = ['us-west-2a', 'us-west-2b', 'us-west-2c'] as const;

/**
 * Mixed Deployments with this many pods together: one in four is tied to a zone. The same seed makes the same burst.
 */
export const burstOf = (pods: number, seed: number): readonly App[] => {
  const random = randomFrom(seed);
  const pick = <T>(from: readonly [T, ...T[]]): T => from[Math.floor(random() * from.length)] ?? from[0];
  const apps: App[] = [];
  for (let left = pods; left > 0; ) {
    const replicas = Math.min(left, 2 + Math.floor(random() * 18));
    const cpu = pick(CPUS);
    const memory = Math.max(64, Math.round((cpu / 1000) * pick(GIB_PER_CPU) * 1024));
    const zone = random() < 0.25 ? { [labels.ZONE]: pick(ZONES) } : {};
    apps.push({
      name: `app-${apps.length}`,
      replicas,
      cpu: `${cpu}m`,
      memory: `${memory}Mi`,
      podSpec: Object.keys(zone).length > 0 ? { nodeSelector: zone } : {},
    });
    left -= replicas;
  }
  return apps;
};

export const applyBurst = (client: KubeClient, pool: string, apps: readonly App[]): Promise<unknown> =>
  Promise.all(
    apps.map(({ podSpec, ...app }) => {
      const { nodeSelector = {} } = podSpec as { readonly nodeSelector?: object };
      const tied = { nodeSelector: { ...nodeSelector, [labels.KARPENTER_NODEPOOL]: pool } };
      return applyDeployment(client, { ...app, namespace: pool, pool, podSpec: { ...podSpec, ...tied } });
    }),
  );
