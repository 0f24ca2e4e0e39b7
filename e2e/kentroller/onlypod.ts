import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL, SURGE } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { isPodReady, isTerminating } from '../../api/pods.ts';
import * as resources from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';
import { applyPool, machinesReady, orderMachine } from '../support/fleet.ts';
import { createNamespace } from '../support/workload.ts';

/** A Deployment of one pod, guarded by a PodDisruptionBudget that never lets it be absent. */

const GATE = 'test.example/warm';
export const NAME = 'onlyone';
const claimName = (n: number): string => `${NAME}-${n}`;

/** A plan that moves the only pod. */
export interface Scene {
  readonly name: string;
  /** The only pod before the plan, ready. */
  readonly pod: Pod;
}

export interface Observed {
  readonly looks: number;
  /** What was wrong at a look: no ready pod, or another number of replicas. */
  readonly gaps: string[];
}

export interface OnlyPod {
  livePods(): Promise<readonly Pod[]>;
  /** The readiness gate that only these pods have. */
  setWarm(pod: Pod): Promise<unknown>;
  /** Orders machine n and waits for it. There is never more than one that the only pod could move to. */
  orderMachine(n: number): Promise<void>;
  /** Machines 1 and 2, and the Deployment with its only pod ready on the first. */
  create(): Promise<void>;
  /** A plan that moves the pod from machine n to the next one, and removes machine n unless it is kept. */
  plan(n: number, o: { readonly drainTimeout: string; readonly isKept?: boolean }): Promise<Scene>;
  /** Watches for a gap until the returned function is called. */
  observe(): () => Promise<Observed>;
  /** The running successor of the scene's pod. */
  successorOf(scene: Scene): Promise<Pod>;
  ended(scene: Scene, timeoutMs: number): Promise<RebalancePlan>;
}

const deployment: object = {
  replicas: 1,
  selector: { matchLabels: { app: 'app' } },
  template: {
    metadata: { labels: { app: 'app' } },
    spec: {
      nodeSelector: { [KARPENTER_NODEPOOL]: NAME },
      readinessGates: [{ conditionType: GATE }],
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'app', image: 'pause:local', resources: { requests: { cpu: '100m' } } }],
    },
  },
};

export const onlyPodWith = (client: KubeClient): OnlyPod => {
  const livePods = async (): Promise<readonly Pod[]> => {
    const { items } = await client.list(resources.PODS, { namespace: NAME });
    return items.filter((pod) => !isTerminating(pod));
  };

  const onlyPod = async (): Promise<Pod> => {
    const pods = await livePods();
    if (pods.length !== 1 || !pods[0]) throw new Error(`${pods.length} pods instead of one`);
    return pods[0];
  };

  const setWarm = (pod: Pod): Promise<unknown> =>
    client.patch(
      resources.PODS,
      { name: pod.metadata.name, namespace: NAME },
      { status: { conditions: [{ type: GATE, status: 'True' }] } },
      { subresource: 'status', type: 'strategic' },
    );

  const order = async (n: number): Promise<void> => {
    const pool = await client.get(resources.NODE_POOLS, { name: NAME });
    await orderMachine(client, pool, { name: claimName(n), instanceType: 'm5.xlarge', zone: 'us-west-2a' });
    await machinesReady(client, [claimName(n)], 90_000);
  };

  const look = async (gaps: string[]): Promise<void> => {
    if (!(await livePods()).some(isPodReady)) gaps.push('no pod is ready');
    const { spec } = await client.get(resources.DEPLOYMENTS, { name: 'app', namespace: NAME });
    if (spec?.replicas !== 1) gaps.push(`replicas is ${String(spec?.replicas)}`);
  };

  return {
    livePods,
    setWarm,
    orderMachine: order,
    create: async () => {
      await applyPool(client, { name: NAME });
      await order(1);
      await createNamespace(client, NAME);
      await client.create(resources.POD_DISRUPTION_BUDGETS, {
        metadata: { name: 'app', namespace: NAME },
        spec: { selector: { matchLabels: { app: 'app' } }, minAvailable: 1 } as object,
      });
      await client.create(resources.DEPLOYMENTS, {
        metadata: { name: 'app', namespace: NAME, annotations: { [SURGE]: 'true' } },
        spec: deployment,
      });
      const isRunning = async (): Promise<Pod | undefined> =>
        (await livePods()).find((p) => p.status?.phase === 'Running');
      await setWarm(await until('its pod runs', isRunning, { timeoutMs: 90_000, everyMs: 100 }));
      await order(2);
      await until('its pod is ready', async () => isPodReady(await onlyPod()), { timeoutMs: 20_000 });
    },
    plan: async (n, { drainTimeout, isKept = false }) => {
      const pod = await onlyPod();
      const owner = pod.metadata.ownerReferences?.[0];
      const name = `${NAME}-from-${n}-${pod.metadata.uid?.slice(0, 4)}${isKept ? '-kept' : ''}-${drainTimeout}`;
      await client.create(resources.REBALANCE_PLANS, {
        metadata: { name },
        spec: {
          execute: true,
          ...(!isKept && { nodeClaimsToDelete: [{ nodeClaimName: claimName(n) }] }),
          aggressiveMode: { drainTimeout },
          podsToMigrate: [
            {
              name: pod.metadata.name,
              namespace: NAME,
              srcNode: pod.spec.nodeName ?? '',
              dstNodeClaimName: claimName(n + 1),
              owner: { kind: 'ReplicaSet', name: owner?.name ?? '', uid: owner?.uid ?? '' },
            },
          ],
        },
      });
      return { name, pod };
    },
    observe: () => {
      const gaps: string[] = [];
      let looks = 0;
      const stopping = new AbortController();
      const looking = until(
        'stopped',
        async () => {
          await look(gaps);
          looks += 1;
          return stopping.signal.aborted;
        },
        { timeoutMs: 300_000, everyMs: 50 },
      );
      return async () => {
        stopping.abort();
        await looking;
        return { looks, gaps };
      };
    },
    successorOf: (scene) =>
      until(
        'a successor runs',
        async () =>
          (await livePods()).find(
            (p) => p.metadata.uid !== scene.pod.metadata.uid && p.status?.phase === 'Running',
          ),
        { timeoutMs: 60_000 },
      ),
    ended: (scene, timeoutMs) =>
      until(
        `plan ${scene.name} ended`,
        async () => {
          const plan = await client.get(resources.REBALANCE_PLANS, { name: scene.name });
          return plan.status?.completionTime ? plan : undefined;
        },
        { timeoutMs },
      ),
  };
};
