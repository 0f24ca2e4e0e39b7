import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { MutatingWebhookConfiguration, Pod, ReplicaSet } from '../../api/objects.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, PODS, REBALANCE_PLANS, SECRETS } from '../../api/resources.ts';
import { probeWebhook } from '../../kentroller/rebalanceplan/state/webhookprobe.ts';
import { paced } from '../../kube/testing/pace.ts';
import { readPinWebhook } from '../../webhook/testing/pinwebhook.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, freePort, ownHost, pinnerEnv, Scene } from './fixture.ts';
import { ownerIntent } from './intents.ts';
import { callsOf, plan, setState, startWebhook, webhookName } from './webhookscene.ts';

/** The installed configuration, called by URL; this suite's namespace is our components'. */

const scene = new Scene('probe');
const work = new Scene('probe-work');
const { client, namespace } = scene;
const configuration = `${namespace}-pins`;
const planName = `${namespace}-plan`;
const secrets = ['castai-pod-pinner-webhook-ca', 'castai-pod-pinner-webhook-cert'];

let autoscaler: Autoscaler;
let extender: Component;
let webhook: Component;
let web: ReplicaSet;

const install = async (port: number): Promise<void> => {
  await client.create<MutatingWebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS, {
    metadata: { name: configuration },
    webhooks: [
      {
        ...readPinWebhook(namespace),
        name: webhookName(configuration),
        clientConfig: { url: `https://${ownHost}:${port}/mutate` },
      },
    ],
  });
};

const asked = (): RebalancePlan => ({
  metadata: { name: planName },
  spec: {
    execute: true,
    podsToMigrate: [
      {
        name: 'web-old',
        namespace: work.namespace,
        srcNode: 'blue',
        dstNodeClaimName: 'claim',
        owner: { kind: 'ReplicaSet', name: 'web', uid: web.metadata.uid ?? '' },
      },
    ],
  },
});

const probe = () => probeWebhook(client, namespace, asked(), AbortSignal.timeout(paced(10_000)));

t.before(async () => {
  await Promise.all([scene.open(), work.open()]);
  web = await work.replicaSet('web', 0);
  const port = await freePort();
  for (const name of secrets) await client.create(SECRETS, { metadata: { name, namespace }, type: 'Opaque' });
  await install(port);
  autoscaler = await Autoscaler.start(client, namespace);
  extender = new Component('extender/main.ts', pinnerEnv(namespace, 'a'));
  webhook = startWebhook({ namespace, name: 'a', port, configuration });
  await eventually('the full state', () => extender.said('full state received'));
  await eventually('a certificate', () => webhook.said('certificate loaded'));
  await eventually('trusted', async () => {
    const found = await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
    return found.webhooks?.[0]?.clientConfig.caBundle;
  });
});
t.teardown(async () => {
  await Promise.all([extender.stop(), webhook.stop()]);
  await autoscaler.close();
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  await client.delete(REBALANCE_PLANS, { name: planName }).catch(() => {});
  await Promise.all([scene.close(), work.close()]);
});

t.test('while no plan runs, it is not live', async (t) => {
  t.notOk(webhook.said('webhook disabled at the API server'), 'it was installed at rest');
  t.match(await probe(), { isLive: false, reason: /without a pin/ });
});

t.test('it is live once a plan runs and the pinner knows its pins, and not before', async (t) => {
  await plan(client, planName, [web]);
  await eventually('the door opens', () => webhook.said('webhook enabled at the API server'));
  t.equal((await probe()).isLive, false, 'the pinner knows no pins yet');
  autoscaler.upsert(ownerIntent(scene.nodeName('one'), web, 1));
  await eventually('live', async () => (await probe()).isLive);
  t.same(await work.podsOf('web'), []);
  const { items } = await client.list(PODS, { namespace });
  t.same(items, [], 'nothing was made');
});

t.test('while a plan runs, it is called for no pod that can have no slot', async (t) => {
  const calls = (): Promise<number> => callsOf(client, configuration);
  const owner = (kind: string) => ({
    apiVersion: 'apps/v1',
    kind,
    name: 'web',
    uid: web.metadata.uid ?? '',
    controller: true,
  });
  const asks = { 'autoscaling.cast.ai/pin-probe': 'true' };
  const create = (o: { space?: string; kind?: string; labels?: object; spec?: object; dryRun?: boolean }) => {
    const metadata = {
      generateName: 'p-',
      namespace: o.space ?? work.namespace,
      labels: o.labels ?? {},
      ownerReferences: o.kind === '' ? [] : [owner(o.kind ?? 'ReplicaSet')],
    };
    const spec = { containers: [{ name: 'main', image: 'main' }], ...o.spec };
    return client.create(PODS, { metadata, spec } as unknown as Pod, { dryRun: o.dryRun ?? true });
  };
  const before = await calls();
  for (const [what, pod] of [
    ['a pod that has its node', { spec: { nodeName: 'elsewhere' } }],
    ['a pod of a DaemonSet', { kind: 'DaemonSet' }],
    ['a pod without a controller', { kind: '' }],
    ['a pod of kube-system', { space: 'kube-system' }],
    ['a pod of ours, wherever it is', { labels: { app: 'castai-pod-pinner-webhook' } }],
    ['another pod of our own namespace', { space: namespace }],
    ['a probe that would be made', { space: namespace, labels: asks, dryRun: false }],
  ] as const) {
    await create(pod);
    t.equal(await calls(), before, what);
  }
  await create({});
  t.equal(await calls(), before + 1, 'and for one that can');
  t.ok((await probe()).isLive);
  t.equal(await calls(), before + 2, 'and for a probe');
});

t.test('when the pinner or the plan ends, it is live no more', async (t) => {
  await extender.stop('SIGKILL');
  t.equal((await probe()).isLive, false);
  await setState(client, planName, 'Done');
  await eventually('at rest', () => webhook.said('webhook disabled at the API server'));
  t.equal((await probe()).isLive, false);
});
