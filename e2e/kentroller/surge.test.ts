import t from 'tap';
import { CANCEL, SURGED } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import { crashingClient } from '../../kentroller/testing/crash.ts';
import { until } from '../../kube/testing/until.ts';
import { type Ground, up } from '../ground/ground.ts';
import { NAME, type OnlyPod, onlyPodWith, type Scene } from './onlypod.ts';
import { startSession } from './session.ts';
import { openStage, type Stage } from './stage.ts';

/** Deployments of one pod, moved without a gap, with Kubernetes' own controllers, real Karpenter and hollow machines. */

/** The writes at which the process dies: those to pods; with SOAK=1 those to the plan's status too. */
const DEADLY = process.env.SOAK ? / Pod |Plan\/status/ : / Pod /;
type Test = Pick<typeof t, 'equal' | 'match' | 'ok' | 'same'>;
let ground: Ground;
let stage: Stage;
let app: OnlyPod;

t.before(async () => {
  ground = await up({ name: 'surge', cloud: true });
  stage = await openStage(ground);
  app = onlyPodWith(stage.client);
});
t.teardown(async () => {
  stage?.close();
  await ground?.down();
});

/** kentroller, dying once before and once after each deadly write and started again, until it is ended. */
const liveAndDie = (): { end(): Promise<readonly string[]> } => {
  const crashed = new Set<string>();
  const finished = new AbortController();
  const lives = (async () => {
    while (!finished.signal.aborted) {
      const session = startSession({
        kubeconfig: stage.kubeconfig,
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
      return [...crashed].filter((key) => / Pod /.test(key));
    },
  };
};

/** The scene's pod is the only one again, as it was before the plan. */
const checkReattached = async (test: Test, scene: Scene): Promise<void> => {
  const isAlone = async (): Promise<boolean> => (await app.livePods()).length === 1;
  await until('one pod is left', isAlone, { timeoutMs: 30_000 });
  const [pod] = await app.livePods();
  test.equal(pod?.metadata.uid, scene.pod.metadata.uid, 'the one that was ready');
  test.equal(pod?.metadata.annotations?.[SURGED], undefined);
  test.equal(pod?.metadata.ownerReferences?.[0]?.kind, 'ReplicaSet', 'its ReplicaSet has it back');
};

const moveWithCrashes = async (test: Test, scene: Scene): Promise<Pod> => {
  const observed = app.observe();
  const mortal = liveAndDie();
  const successor = await app.successorOf(scene);
  const old = await stage.client.get(resources.PODS, { name: scene.pod.metadata.name, namespace: NAME });
  test.ok(old.metadata.annotations?.[SURGED], 'the old one waits for it');
  test.equal(old.metadata.deletionTimestamp, undefined);
  await app.setWarm(successor);
  const plan = await app.ended(scene, 120_000);
  const deaths = await mortal.end();
  const { looks, gaps } = await observed();
  test.match(plan.status?.state, /^Done/);
  test.same(gaps, [], `${looks} looks`);
  test.same(
    (await app.livePods()).map((p) => p.metadata.uid),
    [successor.metadata.uid],
    'one pod, the successor',
  );
  test.ok(deaths.length >= 4, `it died at ${deaths.join(', ')}`);
  return successor;
};

t.test('the successor is ready before the old pod goes, whenever the process dies', async (t) => {
  await app.create();
  const scene = await app.plan(1, { drainTimeout: '60s' });
  const successor = await moveWithCrashes(t, scene);
  t.not(successor.spec.nodeName, scene.pod.spec.nodeName, 'it is on another node');
});

t.test(
  'a successor that never gets ready leaves the Deployment as it was, whenever the process dies',
  async (t) => {
    await app.orderMachine(3);
    const scene = await app.plan(2, { drainTimeout: '6s' });
    const observed = app.observe();
    const mortal = liveAndDie();
    const plan = await app.ended(scene, 90_000);
    const deaths = await mortal.end();
    t.match(plan.status, { state: 'Failed', failureReason: 'FailureReasonDrainTimeout' });
    t.equal(deaths.length, 4, deaths.join(', '));
    await checkReattached(t, scene);
    t.same((await observed()).gaps, []);
  },
);

t.test('on a kept node such a pod is reattached and the plan ends, whenever the process dies', async (t) => {
  const scene = await app.plan(2, { drainTimeout: '6s', isKept: true });
  const observed = app.observe();
  const mortal = liveAndDie();
  const plan = await app.ended(scene, 120_000);
  const deaths = await mortal.end();
  t.match(plan.status?.state, /^Done/);
  t.equal(deaths.length, 4, deaths.join(', '));
  await checkReattached(t, scene);
  t.same((await observed()).gaps, []);
});

t.test('a canceled plan reattaches a pod on a kept node, whenever the process dies', async (t) => {
  const scene = await app.plan(2, { drainTimeout: '120s', isKept: true });
  const observed = app.observe();
  const mortal = liveAndDie();
  await app.successorOf(scene);
  const annotations = { [CANCEL]: 'true' };
  await stage.client.patch(resources.REBALANCE_PLANS, { name: scene.name }, { metadata: { annotations } });
  const plan = await app.ended(scene, 90_000);
  const deaths = await mortal.end();
  t.match(plan.status?.state, 'Canceled');
  t.equal(deaths.length, 4, deaths.join(', '));
  await checkReattached(t, scene);
  t.same((await observed()).gaps, []);
});

t.test('a pod on a kept node is moved without a gap, whenever the process dies', async (t) => {
  const scene = await app.plan(2, { drainTimeout: '60s', isKept: true });
  await moveWithCrashes(t, scene);
});
