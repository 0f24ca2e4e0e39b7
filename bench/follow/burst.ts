import * as labels from '../../api/labels.ts';
import { applyDeployment } from '../../e2e/support/workload.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { BurstApp } from '../../planner/testing/purchase.ts';

export const applyBurst = (client: KubeClient, pool: string, apps: readonly BurstApp[]): Promise<unknown> =>
  Promise.all(
    apps.map(({ name, replicas, cpu, memory, zone }) => {
      const nodeSelector = {
        ...(zone !== undefined && { [labels.ZONE]: zone }),
        [labels.KARPENTER_NODEPOOL]: pool,
      };
      return applyDeployment(client, {
        name,
        replicas,
        cpu: `${cpu}m`,
        memory: `${memory}Mi`,
        namespace: pool,
        pool,
        podSpec: { nodeSelector },
      });
    }),
  );
