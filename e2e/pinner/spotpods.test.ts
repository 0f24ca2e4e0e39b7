import t from 'tap';
import { SPOT_PERCENTAGE } from '../../api/labels.ts';
import { CONFIG_MAPS, MUTATING_WEBHOOK_CONFIGURATIONS, PODS } from '../../api/resources.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { randomFrom } from '../../planner/search/random.ts';
import { DEPLOYMENTS } from '../support/workload.ts';
import { Balancer } from './balancer.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, freePort, pinnerEnv, Scene } from './fixture.ts';
import { configureBoth, type Split, splitIn } from './spotscene.ts';
import { startKeeper, startServing } from './webhookscene.ts';

/** Rules on spot, by a real API server, its controllers, and two replicas of the webhook. */

const scene = new Scene('spotpods');
const work = new Scene('spotpods-work');
const other = new Scene('spotpods-other');
const { client, namespace } = scene;
const configuration = `${namespace}-both`;
const DYNAMIC = 'castai-kentroller-dynamic-config';
const TYPE = 'karpenter.sh/capacity-type';

let balancer: Balancer;
let autoscaler: Autoscaler;
let extender: Component;
let keeper: Component;
let webhooks: Component[] = [];
let ports: number[] = [];

/** Rules by the features ConfigMap of this suite's own namespace; undefined turns them off. */
const setRules = async (rules: readonly object[] | undefined): Promise<void> => {
  const spotPods = { enabled: rules !== undefined, ...(rules && { rules }) };
  const policies = { enabled: true, spotInstances: { enabled: true, spotPods } };
  await client.patch(
    CONFIG_MAPS,
    { name: DYNAMIC, namespace },
    { data: { 'config.yaml': JSON.stringify({ policies }) } },
  );
};

const apply = (name: string, replicas: number, annotations: object = {}) =>
  client.apply(
    DEPLOYMENTS,
    {
      metadata: { name, namespace: work.namespace },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name }, annotations },
          spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'main' }] },
        },
      },
    },
    { fieldManager: 'suite', force: true },
  );

/** Waits until a Deployment has so many live pods; how they are split then. */
const splitOnceThereAre = (app: string, count: number): Promise<Split> =>
  eventually(
    `${count} pods of ${app}`,
    async () => {
      const split = await splitIn(client, work.namespace, `app=${app}`);
      return split.spot + split.onDemand + split.none === count && split;
    },
    60_000,
  );

/** The rules reach the API server as a condition, and the replicas by watch: pods show when both have them. */
const rulesAreInForce = async (inForce: boolean): Promise<void> => {
  for (let round = 0; ; round++) {
    const app = `probe-${round}`;
    await apply(app, 4);
    const { none } = await splitOnceThereAre(app, 4);
    await client.delete(DEPLOYMENTS, { name: app, namespace: work.namespace });
    if (none === (inForce ? 0 : 4)) return;
    if (round > 50) throw new Error(`rules are ${inForce ? 'not' : 'still'} in force`);
  }
};

const serve = (): void => {
  webhooks = ports.map((port, at) =>
    startServing({ namespace, name: `w${at}`, port, configuration }, { TAKE_TIMEOUT: '12s' }),
  );
};

t.before(async () => {
  await Promise.all([scene.open(), work.open(), other.open()]);
  await client.create(CONFIG_MAPS, { metadata: { name: DYNAMIC, namespace }, data: {} });
  balancer = await Balancer.start();
  ports = [await freePort(), await freePort()];
  await configureBoth(client, {
    name: configuration,
    port: balancer.port,
    workloads: [work.namespace, other.namespace],
  });
  autoscaler = await Autoscaler.start(client, namespace);
  extender = new Component('extender/main.ts', pinnerEnv(namespace, 'a'));
  keeper = startKeeper({ namespace, name: 'k', port: balancer.port, configuration });
  serve();
  balancer.send(ports);
  await eventually('the full state', () => extender.said('full state received'));
  for (const webhook of webhooks)
    await eventually('a certificate', () => webhook.said('certificate loaded'), 60_000);
});
t.teardown(async () => {
  for (const { metadata } of (await client.list(DEPLOYMENTS, { namespace: work.namespace })).items)
    await client.delete(DEPLOYMENTS, metadata).catch(ignoreNotFound);
  await Promise.all([...webhooks, keeper, extender].map((each) => each.stop()));
  await autoscaler.close();
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  await balancer.close();
  await Promise.all([scene.close(), work.close(), other.close()]);
});

t.afterEach((t) => {
  const reasons = webhooks
    .flatMap(({ lines }) => lines)
    .filter(({ msg }) => String(msg).startsWith('pod has no side'))
    .map(({ reason }) => String(reason));
  for (const reason of new Set(reasons)) t.comment(`pods without a side so far: ${reason}`);
});

t.test('off by default: pods pass, and the API server calls nobody', async (t) => {
  await apply('off', 5);
  t.same(await splitOnceThereAre('off', 5), { spot: 0, onDemand: 0, none: 5 });
  t.notOk(webhooks.some((webhook) => webhook.said('side chosen for pod')));
});

t.test('a rule in force sends 60 % of 100 pods to spot that come in a burst, by two replicas', async (t) => {
  await setRules([{ namespaces: [work.namespace], percentage: 60 }]);
  const since = Date.now();
  await rulesAreInForce(true);
  t.comment(`in force after ${Date.now() - since} ms`);
  await apply('web', 100);
  t.same(await splitOnceThereAre('web', 100), { spot: 60, onDemand: 40, none: 0 });
  const answers = webhooks.map(
    ({ lines }) => lines.filter(({ msg }) => msg === 'side chosen for pod').length,
  );
  t.ok(
    answers.every((count) => count > 0),
    `both replicas were asked: ${answers.join(' and ')} times`,
  );
  const { items } = await client.list(PODS, { namespace: work.namespace, labelSelector: 'app=web' });
  const terms = items.map(({ spec }) =>
    JSON.stringify(spec.affinity?.nodeAffinity ?? {}).includes('NotIn') ? 'not on spot' : 'spot first',
  );
  t.equal(terms.filter((each) => each === 'not on spot').length, 40, `by ${TYPE}`);
});

t.test('the split stays exact as the Deployment shrinks, grows, and loses pods', async (t) => {
  const next = randomFrom(65);
  for (const replicas of [50, 75, 13, 100]) {
    await apply('web', replicas);
    const spot = Math.floor((replicas * 60) / 100);
    t.same(await splitOnceThereAre('web', replicas), { spot, onDemand: replicas - spot, none: 0 });
  }
  const { items } = await client.list(PODS, { namespace: work.namespace, labelSelector: 'app=web' });
  const gone = items.filter(() => next() < 0.3);
  await Promise.all(
    gone.map(({ metadata }) => client.delete(PODS, { name: metadata.name, namespace: work.namespace })),
  );
  const names = new Set(gone.map(({ metadata }) => metadata.name));
  await eventually('they are gone', async () => {
    const left = await client.list(PODS, { namespace: work.namespace, labelSelector: 'app=web' });
    return left.items.length === 100 && !left.items.some(({ metadata }) => names.has(metadata.name));
  });
  t.same(
    await splitOnceThereAre('web', 100),
    { spot: 60, onDemand: 40, none: 0 },
    `${gone.length} were deleted`,
  );
});

t.test('a workload says its own percentage, and each revision of it is split for itself', async (t) => {
  await apply('own', 8, { [SPOT_PERCENTAGE]: '25' });
  t.same(await splitOnceThereAre('own', 8), { spot: 2, onDemand: 6, none: 0 });
  await apply('own', 8, { [SPOT_PERCENTAGE]: '100' });
  // Pods that never are ready hold a rollout up: the new revision has what may surge.
  const hash = await eventually('a new revision', async () => {
    const { items } = await client.list(PODS, { namespace: work.namespace, labelSelector: 'app=own' });
    return items.find(({ metadata }) => metadata.annotations?.[SPOT_PERCENTAGE] === '100')?.metadata.labels?.[
      'pod-template-hash'
    ];
  });
  const selector = `app=own,pod-template-hash=${hash}`;
  const split = await eventually('its pods', async () => {
    const found = await splitIn(client, work.namespace, selector);
    return found.spot + found.none > 0 && found;
  });
  t.match(split, { onDemand: 0, none: 0 });
});

t.test('rules are by namespace: pods of another one pass', async (t) => {
  await other.replicaSet('web', 5);
  await eventually('pods', async () => (await other.podsOf('web')).length === 5);
  t.same(await splitIn(client, other.namespace), { spot: 0, onDemand: 0, none: 5 });
});

t.test('without a leader of the pod pinner pods pass, and with one they are made good for', async (t) => {
  await extender.stop();
  await apply('alone', 4);
  t.same(await splitOnceThereAre('alone', 4), { spot: 0, onDemand: 0, none: 4 });
  extender = new Component('extender/main.ts', pinnerEnv(namespace, 'b'));
  await eventually('the full state', () => extender.said('full state received'), 60_000);
  await rulesAreInForce(true);
  await apply('alone', 10);
  t.same(await splitOnceThereAre('alone', 10), { spot: 6, onDemand: 0, none: 4 });
});

t.test('without the webhook pods pass', async (t) => {
  await Promise.all(webhooks.map((webhook) => webhook.stop()));
  balancer.send([]);
  await apply('down', 5);
  t.same(await splitOnceThereAre('down', 5), { spot: 0, onDemand: 0, none: 5 });
  serve();
  for (const webhook of webhooks)
    await eventually('a certificate', () => webhook.said('certificate loaded'), 60_000);
  balancer.send(ports);
  await rulesAreInForce(true);
});

t.test('turned off, pods pass within seconds', async (t) => {
  await setRules(undefined);
  const since = Date.now();
  await rulesAreInForce(false);
  t.comment(`off after ${Date.now() - since} ms`);
  await eventually('nobody is called', async () => {
    const { webhooks: both } = await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
    return JSON.stringify(both).includes('spot-rules-are-in-force');
  });
});
