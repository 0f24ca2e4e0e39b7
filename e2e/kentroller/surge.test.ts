import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL, SURGE, SURGED } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import { crashingClient } from '../../kentroller/testing/crash.ts';
import { until } from '../../kube/testing/until.ts';
import { type Ground, up } from '../ground/ground.ts';
import { applyPool, machinesReady, orderMachine } from '../support/fleet.ts';
import { createNamespace } from '../support/workload.ts';
import { startSession } from './session.ts';
import { openStage, type Stage } from './stage.ts';

/** Deployments of one pod, moved without a gap, with Kubernetes' own controllers, real Karpenter and hollow machines. */

const GATE = 'test.example/warm';
/** The writes at which the process dies: those that pods see; with SOAK=1 those of the plan too. */
const DEADLY = process.env.SOAK ? / Pod |Plan\/status/ : / Pod /;
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
  /** The Deployment's only pod, ready. */
  readonly pod: Pod;
}

const NAME = 'onlyone';
const claimName = (n: number): string => `${NAME}-${n}`;

const onlyPod = async (): Promise<Pod> => {
  const pods = await livePods(NAME);
  if (pods.length !== 1 || !pods[0]) throw new Error(`${pods.length} pods are there`);
  return pods[0];
};

/** Orders a machine and waits for it. There is never more than one that the only pod could move to. */
const orderNext = async (n: number): Promise<void> => {
  const { client } = stage;
  const pool = await client.get(resources.NODE_POOLS, { name: NAME });
  await orderMachine(client, pool, { name: claimName(n), instanceType: 'm5.xlarge', zone: 'us-west-2a' });
  await machinesReady(client, [claimName(n)], 90_000);
};

/** Two machines, and one Deployment with its only pod on the first and a budget that never lets it be absent. */
const set = async (): Promise<void> => {
  const { client } = stage;
  await applyPool(client, { name: NAME });
  await orderNext(1);
  await createNamespace(client, NAME);
  await client.create(resources.POD_DISRUPTION_BUDGETS, {
    metadata: { name: 'app', namespace: NAME },
    spec: { selector: { matchLabels: { app: 'app' } }, minAvailable: 1 } as object,
  });
  await client.create(resources.DEPLOYMENTS, {
    metadata: { name: 'app', namespace: NAME, annotations: { [SURGE]: 'true' } },
    spec: {
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
    } as object,
  });
  const isRunning = async (): Promise<Pod | undefined> =>
    (await livePods(NAME)).find((p) => p.status?.phase === 'Running');
  await warm(await until('its pod runs', isRunning, { timeoutMs: 90_000, everyMs: 100 }));
  await orderNext(2);
  await until('its pod is ready', async () => isReady(await onlyPod()), { timeoutMs: 20_000 });
};

/** A plan that moves the pod from one machine to the next. */
const move = async (from: number, drainTimeout: string): Promise<Scene> => {
  const pod = await onlyPod();
  const owner = pod.metadata.ownerReferences?.[0];
  const name = `${NAME}-from-${from}`;
  await stage.client.create(resources.REBALANCE_PLANS, {
    metadata: { name },
    spec: {
      execute: true,
      nodeClaimsToDelete: [{ nodeClaimName: claimName(from) }],
      aggressiveMode: { drainTimeout },
      podsToMigrate: [
        {
          name: pod.metadata.name,
          namespace: NAME,
          srcNode: pod.spec.nodeName ?? '',
          dstNodeClaimName: claimName(from + 1),
          owner: { kind: 'ReplicaSet', name: owner?.name ?? '', uid: owner?.uid ?? '' },
        },
      ],
    },
  });
  return { name, pod };
};

/** Looks again and again whether the Deployment is ever without a ready pod, or with another number of replicas. */
const witness = (): (() => Promise<{ readonly looks: number; readonly gaps: string[] }>) => {
  const gaps: string[] = [];
  let looks = 0;
  const stopping = new AbortController();
  const looking = until(
    'told to stop',
    async () => {
      const pods = await livePods(NAME);
      if (!pods.some(isReady)) gaps.push('no pod is ready');
      const replicas = await replicasOf(NAME);
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
      (await livePods(NAME)).find(
        (p) => p.metadata.uid !== scene.pod.metadata.uid && p.status?.phase === 'Running',
      ),
    { timeoutMs: 60_000 },
  );

/** kentroller, dying once before and once after each deadly write and started again, until told to end. */
const liveAndDie = (): { end(): Promise<ReadonlySet<string>> } => {
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
              if (!DEADLY.test(write) || crashed.has(key)) return false;
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
  return {
    end: async () => {
      finished.abort();
      await lives;
      return crashed;
    },
  };
};

t.test('the successor is ready before the old pod goes, whenever the process dies', async (t) => {
  await set();
  const scene = await move(1, '60s');
  const look = witness();
  const mortal = liveAndDie();
  const successor = await successorOf(scene);
  t.not(successor.spec.nodeName, scene.pod.spec.nodeName, 'it is on another node');
  const old = await stage.client.get(resources.PODS, {
    name: scene.pod.metadata.name,
    namespace: NAME,
  });
  t.ok(old.metadata.annotations?.[SURGED], 'the old one waits for it');
  t.equal(old.metadata.deletionTimestamp, undefined);
  await warm(successor);
  const plan = await ended(scene, 120_000);
  const crashed = await mortal.end();
  const { looks, gaps } = await look();
  t.match(plan.status?.state, /^Done/);
  t.same(gaps, [], `${looks} looks`);
  const pods = await livePods(NAME);
  t.same(
    pods.map((p) => p.metadata.uid),
    [successor.metadata.uid],
    'one pod, the successor',
  );
  const podWrites = [...crashed].filter((key) => / Pod /.test(key));
  t.ok(podWrites.length >= 4, `it died at ${podWrites.join(', ')}`);
  t.comment(`${crashed.size} deaths, ${looks} looks`);
});

t.test(
  'a successor that never gets ready leaves the Deployment as it was, whenever the process dies',
  async (t) => {
    await orderNext(3);
    const scene = await move(2, '6s');
    const look = witness();
    const mortal = liveAndDie();
    const plan = await ended(scene, 90_000);
    const crashed = await mortal.end();
    t.match(plan.status, { state: 'Failed', failureReason: 'FailureReasonDrainTimeout' });
    t.equal([...crashed].filter((key) => / Pod /.test(key)).length, 4, [...crashed].join(', '));
    await until('one pod is left', async () => (await livePods(NAME)).length === 1, {
      timeoutMs: 30_000,
    });
    const [pod] = await livePods(NAME);
    t.equal(pod?.metadata.uid, scene.pod.metadata.uid, 'the one that was ready');
    t.equal(pod?.metadata.annotations?.[SURGED], undefined);
    t.equal(pod?.metadata.ownerReferences?.[0]?.kind, 'ReplicaSet', 'its ReplicaSet has it back');
    t.same((await look()).gaps, []);
  },
);
