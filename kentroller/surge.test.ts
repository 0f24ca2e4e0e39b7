import t from 'tap';
import { KARPENTER_NODEPOOL, SURGE, SURGED } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import type { RebalancePlan } from '../api/rebalanceplan.ts';
import * as resources from '../api/resources.ts';
import { type Ground, up } from '../e2e/ground/ground.ts';
import { applyPool, machinesReady, orderMachine } from '../e2e/support/fleet.ts';
import { until } from '../e2e/support/until.ts';
import { createNamespace } from '../e2e/support/workload.ts';
import { crashingClient } from './testing/crash.ts';
import { startSession } from './testing/session.ts';
import { openStage, type Stage } from './testing/stage.ts';

/** Deployments of one pod, moved without a gap, with Kubernetes' own controllers, real Karpenter and hollow machines. */

const GATE = 'test.example/warm';
let ground: Ground;
let stage: Stage;

t.before(async () => {
  ground = await up({ name: 'surge', cloud: true });
  stage = await openStage(ground);
});
t.teardown(async () => {
  stage?.close();
  await ground?.down();
});

const livePods = async (namespace: string): Promise<readonly Pod[]> => {
  const { items } = await stage.client.list(resources.PODS, { namespace });
  return items.filter((pod) => !pod.metadata.deletionTimestamp);
};

const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;

/** What only this test's pods wait for before they count as ready. */
const warm = (pod: Pod): Promise<unknown> =>
  stage.client.patch(
    resources.PODS,
    { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' },
    { status: { conditions: [{ type: GATE, status: 'True' }] } },
    { subresource: 'status', type: 'strategic' },
  );

const replicasOf = async (namespace: string): Promise<unknown> =>
  (await stage.client.get(resources.DEPLOYMENTS, { name: 'app', namespace })).spec?.replicas;

interface Scene {
  readonly name: string;
  readonly pod: Pod;
  readonly plan: RebalancePlan;
}

/** Two machines, one Deployment with its only pod on the first, a budget that never lets it be absent, and a plan. */
const set = async (name: string): Promise<Scene> => {
  const { client } = stage;
  const pool = await applyPool(client, { name });
  const [old, fresh] = [`${name}-old`, `${name}-new`];
  await orderMachine(client, pool, { name: old, instanceType: 'm5.xlarge', zone: 'us-west-2a' });
  await createNamespace(client, name);
  await client.create(resources.POD_DISRUPTION_BUDGETS, {
    metadata: { name: 'app', namespace: name },
    spec: { selector: { matchLabels: { app: 'app' } }, minAvailable: 1 } as object,
  });
  await client.create(resources.DEPLOYMENTS, {
    metadata: { name: 'app', namespace: name, annotations: { [SURGE]: 'true' } },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'app' } },
      template: {
        metadata: { labels: { app: 'app' } },
        spec: {
          nodeSelector: { [KARPENTER_NODEPOOL]: name },
          readinessGates: [{ conditionType: GATE }],
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'app', image: 'pause:local', resources: { requests: { cpu: '100m' } } }],
        },
      },
    } as object,
  });
  const pod = await until(
    'its pod runs',
    async () => (await livePods(name)).find((p) => p.status?.phase === 'Running'),
    { timeoutMs: 90_000 },
  );
  await warm(pod);
  await orderMachine(client, pool, { name: fresh, instanceType: 'm5.xlarge', zone: 'us-west-2a' });
  await machinesReady(client, [old, fresh], 90_000);
  await until('its pod is ready', async () => (await livePods(name)).some(isReady), { timeoutMs: 20_000 });
  const owner = pod.metadata.ownerReferences?.[0];
  const plan = await client.create(resources.REBALANCE_PLANS, {
    metadata: { name },
    spec: {
      execute: true,
      nodeClaimsToDelete: [{ nodeClaimName: old }],
      aggressiveMode: { drainTimeout: '60s' },
      podsToMigrate: [
        {
          name: pod.metadata.name,
          namespace: name,
          srcNode: pod.spec.nodeName ?? '',
          dstNodeClaimName: fresh,
          owner: { kind: 'ReplicaSet', name: owner?.name ?? '', uid: owner?.uid ?? '' },
        },
      ],
    },
  });
  return { name, pod, plan };
};

/** Looks again and again whether the Deployment is ever without a ready pod, or with another number of replicas. */
const witness = (scene: Scene): (() => Promise<{ readonly looks: number; readonly gaps: string[] }>) => {
  const gaps: string[] = [];
  let looks = 0;
  const stopping = new AbortController();
  const looking = until(
    'told to stop',
    async () => {
      const pods = await livePods(scene.name);
      if (!pods.some(isReady)) gaps.push('no pod is ready');
      const replicas = await replicasOf(scene.name);
      if (replicas !== 1) gaps.push(`replicas is ${String(replicas)}`);
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
};

const ended = (scene: Scene, timeoutMs: number): Promise<RebalancePlan> =>
  until(
    `plan ${scene.name} ended`,
    async () => {
      const plan = await stage.client.get(resources.REBALANCE_PLANS, { name: scene.name });
      return plan.status?.completionTime ? plan : undefined;
    },
    { timeoutMs },
  );

const successorOf = (scene: Scene): Promise<Pod> =>
  until(
    'a successor runs',
    async () =>
      (await livePods(scene.name)).find(
        (p) => p.metadata.uid !== scene.pod.metadata.uid && p.status?.phase === 'Running',
      ),
    { timeoutMs: 60_000 },
  );

t.test('the successor is ready before the old pod goes, whenever the process dies', async (t) => {
  const scene = await set('onlyone');
  t.teardown(() => stage.clear(scene.name));
  const look = witness(scene);
  const crashed = new Set<string>();
  const finished = new AbortController();
  const lives = (async () => {
    while (!finished.signal.aborted) {
      const session = startSession({
        kubeconfig: ground.kubeconfig,
        cloud: stage.cloud,
        env: stage.env,
        wrap: (inner, end) =>
          crashingClient(
            inner,
            (write, moment) => {
              const key = `${moment} ${write}`;
              if (!/ Pod |Plan\/status/.test(write) || crashed.has(key)) return false;
              crashed.add(key);
              return true;
            },
            end,
          ),
      });
      const stop = (): void => session.stop();
      finished.signal.addEventListener('abort', stop, { once: true });
      await session.ended;
    }
  })();
  const successor = await successorOf(scene);
  t.not(successor.spec.nodeName, scene.pod.spec.nodeName, 'it is on another node');
  const old = await stage.client.get(resources.PODS, {
    name: scene.pod.metadata.name,
    namespace: scene.name,
  });
  t.ok(old.metadata.annotations?.[SURGED], 'the old one waits for it');
  t.equal(old.metadata.deletionTimestamp, undefined);
  await warm(successor);
  const plan = await ended(scene, 120_000);
  finished.abort();
  await lives;
  const { looks, gaps } = await look();
  t.match(plan.status?.state, /^Done/);
  t.same(gaps, [], `${looks} looks`);
  const pods = await livePods(scene.name);
  t.same(
    pods.map((p) => p.metadata.uid),
    [successor.metadata.uid],
    'one pod, the successor',
  );
  const podWrites = [...crashed].filter((key) => / Pod /.test(key));
  t.ok(podWrites.length >= 4, `it died at ${podWrites.join(', ')}`);
  t.comment(`${crashed.size} deaths, ${looks} looks`);
});

t.test('a successor that never gets ready leaves the Deployment as it was', async (t) => {
  const scene = await set('neverwarm');
  t.teardown(() => stage.clear(scene.name));
  const look = witness(scene);
  await stage.client.patch(
    resources.REBALANCE_PLANS,
    { name: scene.name },
    { spec: { aggressiveMode: { drainTimeout: '6s' } } },
  );
  await stage.play({}, async () => {
    const plan = await ended(scene, 60_000);
    t.match(plan.status, { state: 'Failed', failureReason: 'FailureReasonDrainTimeout' });
  });
  await until('one pod is left', async () => (await livePods(scene.name)).length === 1, {
    timeoutMs: 30_000,
  });
  const [pod] = await livePods(scene.name);
  t.equal(pod?.metadata.uid, scene.pod.metadata.uid, 'the one that was ready');
  t.equal(pod?.metadata.annotations?.[SURGED], undefined);
  t.equal(pod?.metadata.ownerReferences?.[0]?.kind, 'ReplicaSet', 'its ReplicaSet has it back');
  t.same((await look()).gaps, []);
});
