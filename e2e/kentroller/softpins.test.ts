import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { ReplicaSet } from '../../api/objects.ts';
import { NODES, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { SOFT_PINS, type SoftPinsObject } from '../../kentroller/softpins/kind.ts';
import { eventually, kubeconfig, Scene } from '../pinner/fixture.ts';
import { owner, podOf } from '../rights/attempt.ts';
import { InstalledRights } from '../rights/installed.ts';
import { type Session, startSession } from './session.ts';
import { applySoftPinsKind, removeSoftPinsKind } from './softpinskind.ts';

/** A whole kentroller with PINNING=policy beside the policy, on an API server: what it writes while a plan runs. */

const scene = new Scene('soft-session');
const rights = new InstalledRights(scene, [
  'components/soft-pins/policy.yaml',
  'components/soft-pins/rbac.yaml',
]);
const { client, namespace } = scene;
const [blue, green] = [scene.nodeName('blue'), scene.nodeName('green')];
const planName = `${namespace}-plan`;
let session: Session;
let web: ReplicaSet;

const start = (): Session =>
  startSession({
    kubeconfig,
    cloud: { catalogue: async () => ({ instanceTypes: [] }), nodeNames: async () => new Map() },
    env: { POD_NAMESPACE: namespace, AWS_REGION: 'us-west-2', PINNING: 'policy' },
  });

t.before(async () => {
  await scene.open();
  await applySoftPinsKind(client);
  await rights.install();
  for (const name of [blue, green]) await client.create(NODES, { metadata: { name } });
  web = await scene.replicaSet('web', 0);
  await eventually('the kind is served', async () => (await client.list(SOFT_PINS)).items.length === 0);
  session = start();
});
t.teardown(async () => {
  session?.stop();
  await session?.ended;
  await client.delete(REBALANCE_PLANS, { name: planName }).catch(() => {});
  await rights.remove();
  await removeSoftPinsKind(client);
  await scene.close();
});

/** What steers the pods of the suite's plan. */
const softPins = async (): Promise<SoftPinsObject | undefined> =>
  (await client.list(SOFT_PINS)).items.find(({ metadata }) => metadata.name === planName);

const planOf = (): Promise<RebalancePlan> => client.get(REBALANCE_PLANS, { name: planName });

t.test(
  'a plan that runs has soft pins, kentroller sees the policy act, and they go with the plan',
  async (t) => {
    const uid = web.metadata.uid ?? '';
    const made = await client.create(REBALANCE_PLANS, {
      metadata: { name: planName },
      spec: {
        execute: true,
        podsToMigrate: [
          {
            name: 'web-1',
            namespace,
            srcNode: blue,
            dstNodeName: green,
            owner: { kind: 'ReplicaSet', name: 'web', uid },
          },
        ],
      },
    });
    const time = new Date().toISOString();
    const reached = ['NodesCreated', 'SavingsValidated'].map((type) => ({
      type,
      status: 'True',
      reason: 'Suite',
      message: '',
      lastTransitionTime: time,
    }));
    await client.patch(
      REBALANCE_PLANS,
      { name: planName },
      { status: { state: 'Running', startTime: time, conditions: reached } },
      { subresource: 'status' },
    );
    const pins = await eventually('the plan has soft pins', softPins, 60_000);
    t.equal(pins.spec.owners[`${namespace}.${uid}`], `100 ${green}`);
    t.match(pins.metadata.ownerReferences, [{ kind: 'RebalancePlan', uid: made.metadata.uid }]);
    const ready = await eventually(
      'the pins are ready',
      async () => (await planOf()).status?.conditions?.find(({ type }) => type === 'PinsReady'),
      60_000,
    );
    t.match(ready, {
      reason: 'PinsAcknowledged',
      message: /admission policy has all soft pins of the plan, and is live/,
    });
    const ownerReferences = [{ ...owner('ReplicaSet', { uid }), name: 'web' }];
    const pod = await client.create(PODS, podOf(namespace, 'new', { metadata: { ownerReferences } }), {
      dryRun: true,
    });
    const isSteered = JSON.stringify(pod.spec.affinity ?? {}).includes(green);
    t.ok(isSteered || (await softPins()) === undefined, 'its pods are drawn there while it runs');
    await client.patch(REBALANCE_PLANS, { name: planName }, { metadata: { finalizers: null } });
    await client.delete(REBALANCE_PLANS, { name: planName }).catch(() => {});
    await eventually('its soft pins are gone', async () => (await softPins()) === undefined, 60_000);
  },
);

t.test('fault: what a crash has left of a plan that is over goes when kentroller starts', async (t) => {
  session.stop();
  await session.ended;
  await client.create(SOFT_PINS, { metadata: { name: planName }, spec: { owners: { a: '1 b' } } });
  session = start();
  await eventually('it is gone', async () => (await softPins()) === undefined, 60_000);
  t.pass();
});
