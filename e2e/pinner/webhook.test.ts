import t from 'tap';
import { PIN } from '../../api/labels.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, PODS, REBALANCE_PLANS, SECRETS } from '../../api/resources.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, freePort, joinAs, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent } from './intents.ts';
import { callsOf, configure, plan, setState, startWebhook } from './webhookscene.ts';

const scene = new Scene('webhook');
const work = new Scene('webhook-work');
const { client, namespace } = scene;
const configuration = `${namespace}-pins`;
const planName = `${namespace}-plan`;
const secrets = ['castai-pod-pinner-webhook-ca', 'castai-pod-pinner-webhook-cert'];

let autoscaler: Autoscaler;
let extender: Component;
let webhook: Component;

const bundle = async (): Promise<string> => {
  const found = await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  return found.webhooks?.[0]?.clientConfig.caBundle ?? '';
};

t.before(async () => {
  await Promise.all([scene.open(), work.open()]);
  const port = await freePort();
  // The installer creates the Secrets, empty.
  for (const name of secrets) await client.create(SECRETS, { metadata: { name, namespace }, type: 'Opaque' });
  await configure(client, { name: configuration, port, workload: work.namespace });
  autoscaler = await Autoscaler.start(client, namespace);
  extender = new Component('extender/main.ts', pinnerEnv(namespace, 'a'));
  webhook = startWebhook({ namespace, name: 'a', port, configuration });
  await eventually('the full state', () => extender.said('full state received'));
  // A new leader gives no slots for a second: it may not see its predecessor's yet.
  const since = Date.now();
  await eventually('the leader has settled', () => Date.now() - since > 1_100);
  await eventually('a certificate', () => webhook.said('certificate loaded'));
});
t.teardown(async () => {
  await Promise.all([extender.stop(), webhook.stop()]);
  await autoscaler.close();
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  await client.delete(REBALANCE_PLANS, { name: planName }).catch(() => {});
  await Promise.all([scene.close(), work.close()]);
});

t.test('while no plan runs, the API server does not call the webhook at all', async (t) => {
  await eventually('at rest', () => webhook.said('webhook disabled at the API server'));
  await work.replicaSet('idle', 0);
  // The API server learns of the new conditions by watch.
  const before = await eventually('no more calls', async () => {
    const first = await callsOf(client, configuration);
    await work.scale('idle', 3);
    await eventually('pods', async () => (await work.podsOf('idle')).length === 3);
    const now = await callsOf(client, configuration);
    await work.scale('idle', 0);
    await eventually('no pods', async () => (await work.podsOf('idle')).length === 0);
    return now === first && { calls: now };
  });
  await work.scale('idle', 20);
  await eventually('pods', async () => (await work.podsOf('idle')).length === 20);
  t.equal(await callsOf(client, configuration), before.calls);
});

t.test('pods of a running plan are created on their nodes, so many and no more', async (t) => {
  const names = ['one', 'two'].map((suffix) => scene.nodeName(suffix));
  const [one = '', two = ''] = names;
  const web = await work.replicaSet('web', 0);
  await work.replicaSet('other', 0);
  await plan(client, planName, [web]);
  await eventually('the door opens', () => webhook.said('webhook enabled at the API server'));
  for (const name of names) {
    autoscaler.upsert(nodeIntent(name));
    await eventually('the placeholder', () => scene.node(name));
    await joinAs(client, name);
  }
  autoscaler.upsert(ownerIntent(one, web, 3), ownerIntent(two, web, 2));
  await eventually('the intents are known', () => autoscaler.results.get(ownerIntent(two, web, 2).id));

  await work.scale('web', 7);
  await work.scale('other', 1);
  const pods = await eventually('all pods', async () => {
    const found = await work.podsOf('web');
    return found.length === 7 && found;
  });
  const on = (name: string) => pods.filter(({ spec }) => spec.nodeName === name);
  t.equal(on(one).length, 3, 'the slots of the first node');
  t.equal(on(two).length, 2, 'the slots of the second node');
  t.ok(on(one).every(({ metadata }) => metadata.annotations?.[PIN] === ownerIntent(one, web, 3).id));
  await eventually('pinning pod', () => webhook.said('pinning pod', { node: one, plan: 'plan-1' }));
  const [stranger] = await eventually('the other pod', async () => {
    const found = await work.podsOf('other');
    return found.length === 1 && found;
  });
  t.notOk(stranger?.metadata.annotations?.[PIN], 'a pod that no plan moves is untouched');
});

t.test('a dry run takes no slot, and a pod that has its node keeps it', async (t) => {
  const name = scene.nodeName('dry');
  const job = await work.replicaSet('dry', 0);
  await setState(client, planName, 'Done');
  await client.delete(REBALANCE_PLANS, { name: planName });
  await plan(client, planName, [job]);
  autoscaler.upsert(nodeIntent(name), ownerIntent(name, job, 1));
  await eventually('the placeholder', () => scene.node(name));
  const { uid = '' } = job.metadata;
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'dry', uid, controller: true };
  const pod = {
    metadata: { generateName: 'dry-', namespace: work.namespace, name: '', ownerReferences: [owner] },
    spec: { containers: [{ name: 'main', image: 'main' }] },
  };
  for (let at = 0; at < 5; at++) await client.create(PODS, pod, { dryRun: true });
  await client.create(PODS, {
    metadata: { ...pod.metadata, labels: { app: 'fixed' } },
    spec: { ...pod.spec, nodeName: 'elsewhere' },
  });
  const [fixed] = await work.podsOf('fixed');
  t.equal(fixed?.spec.nodeName, 'elsewhere');
  const real = await eventually('the slot', async () => {
    const made = await client.create(PODS, { ...pod, metadata: { ...pod.metadata, labels: { app: 'dry' } } });
    return made.spec.nodeName === name && made;
  });
  t.equal(real.metadata.annotations?.[PIN], ownerIntent(name, job, 1).id);
});

t.test(
  'a caBundle that someone overwrote and Secrets that someone deleted are mended within 5 s',
  async (t) => {
    const before = await bundle();
    t.not(before, '');
    const spoil = { op: 'remove', path: '/webhooks/0/clientConfig/caBundle' };
    await client.patch(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration }, [spoil], { type: 'json' });
    await eventually('the bundle is back', async () => (await bundle()) === before, 5_000);

    for (const name of secrets) await client.delete(SECRETS, { name, namespace });
    for (const name of secrets) {
      await eventually(
        `${name} is back`,
        async () => (await client.get(SECRETS, { name, namespace })).data,
        5_000,
      );
    }
    const mended = await eventually('both authorities are trusted', async () => {
      const now = await bundle();
      return now !== before && now;
    });
    t.ok(mended.length > before.length, 'the old one goes only after the new leaf is in use');
  },
);

t.test('when the pod pinner is gone, pods are created as ever', async (t) => {
  await extender.stop('SIGKILL');
  await work.scale('dry', 2);
  await eventually('a pod without a pin', async () => {
    const pods = await work.podsOf('dry');
    return pods.length >= 2 && pods.some(({ metadata }) => metadata.annotations?.[PIN] === undefined);
  });
  t.equal(await webhook.stop(), 0, 'it ends in order');
});
