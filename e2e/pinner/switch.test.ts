import t from 'tap';
import { PIN, PLACEHOLDER, PREPARING_TAINT } from '../../api/labels.ts';
import {
  CONFIG_MAPS,
  LEASES,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NODES,
  PODS,
  REBALANCE_PLANS,
  SECRETS,
} from '../../api/resources.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, freePort, joinAs, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent, podIntent } from './intents.ts';
import { configure, plan, startWebhook } from './webhookscene.ts';

/** A ConfigMap turns pod pinner and webhook off and on again while they run. */

const scene = new Scene('switch');
const work = new Scene('switch-work');
const { client, namespace } = scene;
const DYNAMIC = 'castai-kentroller-dynamic-config';
const configuration = `${namespace}-pins`;
const planName = `${namespace}-plan`;
const heldPlan = `${namespace}-held`;

let autoscaler: Autoscaler;
let extender: Component;
let webhook: Component;
let extenderPort = 0;

const features = async (data: Readonly<Record<string, string | null>>): Promise<void> => {
  await client.patch(CONFIG_MAPS, { name: DYNAMIC, namespace }, { data });
};
/** Number of times that a line was written so far. */
const timesSaid = (component: Component, msg: string): number =>
  component.lines.filter((line) => line.msg === msg).length;
const podsOn = async (owner: string, nodeName: string, count: number) =>
  eventually(`${count} pods of ${owner} on ${nodeName}`, async () => {
    const pods = (await work.podsOf(owner)).filter(({ spec }) => spec.nodeName === nodeName);
    return pods.length === count && pods;
  });
const taintsOf = async (name: string) => (await scene.node(name))?.spec?.taints ?? [];

t.before(async () => {
  await Promise.all([scene.open(), work.open()]);
  await client.create(CONFIG_MAPS, { metadata: { name: DYNAMIC, namespace }, data: {} });
  for (const name of ['castai-pod-pinner-webhook-ca', 'castai-pod-pinner-webhook-cert'])
    await client.create(SECRETS, { metadata: { name, namespace }, type: 'Opaque' });
  const port = await freePort();
  extenderPort = await freePort();
  await configure(client, { name: configuration, port, workload: work.namespace });
  autoscaler = await Autoscaler.start(client, namespace);
  const env = { ...pinnerEnv(namespace, 'a'), PORT: String(extenderPort), KEEP_REFUSED: '100ms' };
  extender = new Component('extender/main.ts', env);
  webhook = startWebhook({ namespace, name: 'a', port, configuration });
  await eventually('the full state', () => extender.said('full state received'));
  await eventually('a certificate', () => webhook.said('certificate loaded'));
});
t.teardown(async () => {
  await Promise.all([extender.stop(), webhook.stop()]);
  await autoscaler.close();
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  for (const name of [planName, heldPlan]) await client.delete(REBALANCE_PLANS, { name }).catch(() => {});
  await Promise.all([scene.close(), work.close()]);
});

t.test(
  'while the pod pinner is off it has no effect, and on again it goes on, without a restart',
  async (t) => {
    const [standing, planned, later, plain] = ['standing', 'planned', 'later', 'plain'].map((suffix) =>
      scene.nodeName(suffix),
    ) as [string, string, string, string];
    const web = await work.replicaSet('web', 1, { spec: { nodeSelector: { place: standing } } });
    autoscaler.upsert(nodeIntent(standing), ownerIntent(standing, web, 1));
    await podsOn('web', standing, 1);
    await work.replicaSet('single', 1, { spec: { nodeSelector: { role: namespace } } });
    const single = await eventually('the pod', async () => (await work.podsOf('single'))[0]);
    const claim = `claim-of-${later}`;
    autoscaler.upsert({ ...podIntent(later, single), nodeName: '' });
    const nominated = async () => (await work.podsOf('single'))[0]?.status?.nominatedNodeName;
    await eventually('nominated', async () => (await nominated()) === claim);
    const refused = await work.replicaSet('refused', 1, { spec: { nodeSelector: { place: 'nowhere' } } });

    await features({ 'podPinner.enabled': 'false' });
    await eventually('off', () => extender.said('pod pinning is off'));
    await eventually('no stream', () => autoscaler.streams === 0);
    await eventually('the pod is given back', async () => (await nominated()) === undefined);
    await eventually('its line', () =>
      extender.said('pod nomination removed', { node: claim, reason: 'pod pinning is off' }),
    );

    const { lease } = await eventually('what stands is kept alive', async () => {
      const lease = await client.get(LEASES, { namespace: 'kube-node-lease', name: standing });
      return { lease };
    });
    t.ok(lease.spec?.renewTime);
    t.ok(await scene.node(standing), 'a machine on its way keeps its Node');
    await joinAs(client, standing);
    await eventually('it is handed over and open to all', async () => {
      const node = await scene.node(standing);
      const isReserved = node?.spec?.taints?.some(({ key }) => key === PREPARING_TAINT);
      return node?.metadata.labels?.[PLACEHOLDER] === undefined && !isReserved;
    });
    await podsOn('web', standing, 1);

    // The plan's wish, and kube-scheduler's own choice.
    autoscaler.upsert(nodeIntent(planned), ownerIntent(planned, refused, 1), podIntent(planned, single));
    const [failing] = await work.podsOf('refused');
    const ref = { name: failing?.metadata.name ?? '', namespace: work.namespace };
    const status = { phase: 'Failed', reason: 'OutOfcpu' };
    await client.patch(PODS, ref, { status }, { subresource: 'status' });
    await client.create(NODES, {
      metadata: { name: plain, labels: { role: namespace } },
      status: {
        capacity: { cpu: '4', memory: '8Gi', pods: '29' },
        allocatable: { cpu: '4', memory: '8Gi', pods: '29' },
      },
    });
    await joinAs(client, plain);
    await podsOn('single', plain, 1);
    t.notOk(await scene.node(planned), 'no placeholder is made');
    t.equal((await client.get(PODS, ref)).status?.phase, 'Failed', 'pods that were refused stay');
    t.notOk(extender.said('pod refused by its kubelet'));

    const names = [standing, plain];
    const asked = {
      Pod: { metadata: { name: 'x', uid: single.metadata.uid } },
      Nodes: null,
      NodeNames: names,
    };
    const answer = await fetch(`http://127.0.0.1:${extenderPort}/filter`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked),
    });
    t.match(await answer.json(), { NodeNames: names }, 'the verbs pass every node');

    const before = extender.process.pid;
    await features({ 'podPinner.enabled': null });
    await eventually('the placeholder', () => scene.node(planned));
    await eventually('its line', () => extender.said('node placeholder created', { node: planned }));
    await eventually('pods that were refused are removed', () => extender.said('pod refused by its kubelet'));
    await work.scale('refused', 0);
    const more = await work.replicaSet('more', 2, { spec: { nodeSelector: { place: planned } } });
    autoscaler.upsert(ownerIntent(planned, more, 2));
    const pods = await podsOn('more', planned, 2);
    t.ok(pods.every(({ metadata }) => metadata.annotations?.[PIN]));
    t.ok((await taintsOf(planned)).some(({ key }) => key === PREPARING_TAINT));
    t.equal(extender.process.exitCode, null);
    t.equal(extender.process.pid, before);
  },
);

t.test('while the webhook is off the API server does not call it, though a plan runs', async (t) => {
  const name = scene.nodeName('admitted');
  const shop = await work.replicaSet('shop', 0);
  autoscaler.upsert(nodeIntent(name), ownerIntent(name, shop, 8));
  await eventually('the placeholder', () => scene.node(name));
  await joinAs(client, name);
  await plan(client, planName, [shop]);
  await eventually('called', () => webhook.said('webhook enabled at the API server'));
  const rests = timesSaid(webhook, 'webhook disabled at the API server');
  for (const feature of ['podPinnerWebhook.enabled', 'podPinner.enabled']) {
    const at = timesSaid(webhook, 'webhook disabled at the API server');
    await features({ [feature]: 'false' });
    await eventually(
      `at rest by ${feature}`,
      () => timesSaid(webhook, 'webhook disabled at the API server') > at,
    );
    await work.scale('shop', 2);
    await eventually('pods', async () => (await work.podsOf('shop')).length === 2);
    t.notOk(webhook.said('pinning pod'), 'a pod that is made meanwhile is left alone');
    await work.scale('shop', 0);
    const calls = timesSaid(webhook, 'webhook enabled at the API server');
    await features({ [feature]: null });
    await eventually('called again', () => timesSaid(webhook, 'webhook enabled at the API server') > calls);
  }
  t.equal(timesSaid(webhook, 'webhook disabled at the API server'), rests + 2);
  await eventually('it pins again', async () => {
    const line = webhook.said('pinning pod', { node: name });
    if (line) return true;
    const count = (await work.podsOf('shop')).length;
    await work.scale('shop', count === 0 ? 2 : 0);
    return false;
  });
});

t.test(
  'pods that are held for a machine on its way are let go when the pod pinner is turned off',
  async (t) => {
    const name = scene.nodeName('awaited');
    const training = await work.replicaSet('training', 0, {
      spec: {
        containers: [{ name: 'main', image: 'main', resources: { limits: { 'nvidia.com/gpu': '1' } } }],
      },
    });
    autoscaler.upsert(nodeIntent(name), ownerIntent(name, training, 2));
    await eventually('the placeholder', () => scene.node(name));
    await plan(client, heldPlan, [training]);
    const gates = async (): Promise<readonly number[]> =>
      (await work.podsOf('training')).map(({ spec }) => (spec.schedulingGates ?? []).length);
    // The webhook learns of the plan by watch; pods created before are not held.
    await eventually('held', async () => {
      const all = await gates();
      if (all.length === 2 && all.every((count) => count === 1)) return true;
      if (all.length === 0) await work.scale('training', 2);
      else if (all.length === 2 && all.includes(0)) await work.scale('training', 0);
      return false;
    });
    await features({ 'podPinner.enabled': 'false' });
    await eventually('let go', async () => (await gates()).join() === '0,0');
    await eventually('the line', () => extender.said('gate released', { reason: 'pod pinning is off' }));
    await features({ 'podPinner.enabled': null });
    t.pass('kube-scheduler has them');
  },
);
