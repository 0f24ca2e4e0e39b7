import t from 'tap';
import type { Pod } from '../../api/objects.ts';
import {
  EVENTS,
  LEASES,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  PODS,
  REBALANCE_PLANS,
  SECRETS,
} from '../../api/resources.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, freePort, joinAs, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent, podIntent } from './intents.ts';
import { configure, plan, startWebhook } from './webhookscene.ts';

/** The documented behaviour of the pod pinner, row by row: log lines, limits, life. */

const scene = new Scene('documented');
const work = new Scene('documented-work');
const { client, namespace } = scene;
const configuration = `${namespace}-pins`;
const planName = `${namespace}-plan`;

let autoscaler: Autoscaler;
let webhook: Component;
let webhookPort = 0;
let metricsPort = 0;
const replicas: Component[] = [];

const start = (name: string, env: Readonly<Record<string, string>> = {}): Component => {
  const made = new Component('extender/main.ts', {
    ...pinnerEnv(namespace, name),
    KEEP_REFUSED: '500ms',
    ...env,
  });
  replicas.push(made);
  return made;
};
const holder = async (): Promise<string | undefined> =>
  (await client.get(LEASES, { name: 'castai-pod-pinner', namespace })).spec?.holderIdentity;
const said = (msg: string, fields: Readonly<Record<string, unknown>> = {}): Promise<unknown> =>
  eventually(`the line '${msg}'`, () => replicas.some((one) => one.said(msg, fields)));
const bound = async (owner: string, nodeName: string, count: number): Promise<readonly Pod[]> =>
  eventually(`${count} pods of ${owner} on ${nodeName}`, async () => {
    const pods = (await work.podsOf(owner)).filter(({ spec }) => spec.nodeName === nodeName);
    return pods.length === count && pods;
  });
/** A placeholder with a pod of an owner of the same name on it. */
const pinned = async (suffix: string): Promise<string> => {
  const name = scene.nodeName(suffix);
  const owner = await work.replicaSet(suffix, 1, { spec: { nodeSelector: { place: name } } });
  autoscaler.upsert(nodeIntent(name), ownerIntent(name, owner, 1));
  await bound(suffix, name, 1);
  return name;
};

t.before(async () => {
  await Promise.all([scene.open(), work.open()]);
  for (const name of ['castai-pod-pinner-webhook-ca', 'castai-pod-pinner-webhook-cert'])
    await client.create(SECRETS, { metadata: { name, namespace }, type: 'Opaque' });
  webhookPort = await freePort();
  metricsPort = await freePort();
  await configure(client, { name: configuration, port: webhookPort, workload: work.namespace });
  autoscaler = await Autoscaler.start(client, namespace);
  start('one', { HEALTH_PORT: String(metricsPort) });
  webhook = startWebhook({ namespace, name: 'a', port: webhookPort, configuration });
  await said('full state received');
  await eventually('a certificate', () => webhook.said('certificate loaded'));
});
t.teardown(async () => {
  await Promise.all([...replicas, webhook].map((one) => one.stop()));
  await autoscaler.close();
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  await client.delete(REBALANCE_PLANS, { name: planName }).catch(() => {});
  await Promise.all([scene.close(), work.close()]);
});

t.test('log: "node placeholder created" comes before "pod pinned"', async (t) => {
  const node = await pinned('lines');
  await said('pod pinned', { node });
  const order = (replicas[0]?.lines ?? [])
    .filter((line) => line.node === node)
    .map(({ msg }) => msg)
    .filter((msg) => msg === 'node placeholder created' || msg === 'pod pinned');
  t.same(order, ['node placeholder created', 'pod pinned']);
});

t.test('log: "node placeholder not found" when a pod is to go to a node that was never made', async (t) => {
  const node = scene.nodeName('never-made');
  await work.replicaSet('unmade', 1, { spec: { nodeSelector: { place: node } } });
  const pod = await eventually('the pod', async () => (await work.podsOf('unmade'))[0]);
  const intent = podIntent(node, pod);
  autoscaler.upsert(intent);
  await said('node placeholder not found', { node });
  autoscaler.remove(intent.id);
  t.pass('said');
});

t.test('log: "node placeholder deleted" when its machine is not to come', async (t) => {
  const node = scene.nodeName('cancelled');
  autoscaler.upsert(nodeIntent(node));
  await eventually('the placeholder', () => scene.node(node));
  autoscaler.remove(`node/${node}`);
  await said('node placeholder deleted', { node });
  t.equal(await scene.node(node), undefined);
});

t.test(
  'log: "failed streaming pod pinning actions, restarting..." at every reset, and pods are pinned after it',
  async (t) => {
    autoscaler.cut();
    await said('failed streaming pod pinning actions, restarting...');
    await pinned('after-reset');
    t.pass('pinned');
  },
);

t.test('log: "pinning pod" when the webhook puts a pod on its node', async (t) => {
  const node = scene.nodeName('admitted');
  const shop = await work.replicaSet('shop', 0);
  autoscaler.upsert(nodeIntent(node), ownerIntent(node, shop, 50));
  await eventually('the placeholder', () => scene.node(node));
  await joinAs(client, node);
  await plan(client, planName, [shop]);
  await eventually('called', () => webhook.said('webhook enabled at the API server'));
  // The API server learns of the new conditions by watch.
  await eventually('the line', async () => {
    if (webhook.said('pinning pod', { node })) return true;
    const count = (await work.podsOf('shop')).length;
    await work.scale('shop', count === 0 ? 2 : 0);
    return false;
  });
  await work.scale('shop', 0);
  t.pass('said');
});

for (const reason of ['OutOfcpu', 'OutOfmemory', 'OutOfpods', 'OutOfnvidia.com/gpu', 'NodeAffinity']) {
  t.test(
    `Failed pod status reason: ${reason}: counted, explained, and gone when it is replaced`,
    async (t) => {
      const owner = `refused-${reason.toLowerCase().replaceAll(/[^a-z]/g, '')}`;
      await work.replicaSet(owner, 1, { spec: { nodeSelector: { place: 'nowhere' } } });
      const pod = await eventually('the pod', async () => (await work.podsOf(owner))[0]);
      const ref = { name: pod.metadata.name, namespace: work.namespace };
      const status = { phase: 'Failed', reason, message: 'as a kubelet writes it' };
      await client.patch(PODS, ref, { status }, { subresource: 'status' });
      await said('pod refused by its kubelet', { name: ref.name, reason });
      const message = await eventually('an event', async () => {
        const fieldSelector = `involvedObject.name=${ref.name},reason=PodRefused`;
        const { items } = await client.list(EVENTS, { namespace: work.namespace, fieldSelector });
        return items[0]?.message;
      });
      t.match(message, reason);
      await eventually('another pod alone', async () => {
        const pods = await work.podsOf(owner);
        return pods.length === 1 && pods[0]?.metadata.uid !== pod.metadata.uid;
      });
      const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      t.match(page, new RegExp(`pod_pinner_pods_refused_total\\{reason="${reason}"\\} 1`));
    },
  );
}

t.test('2 replicas: one leads; when it restarts during a rebalancing the other pins the pods', async (t) => {
  const [first] = replicas;
  start('two');
  const before = await pinned('before-restart');
  t.equal(await holder(), 'one');
  await first?.stop();
  await pinned('during-restart');
  t.equal(await holder(), 'two');
  t.equal((await bound('before-restart', before, 1)).length, 1, 'what was pinned stays pinned');
});

t.test('scaled to 0, kube-scheduler takes over, and no pod fails', async (t) => {
  const node = scene.nodeName('taken-over');
  autoscaler.upsert(nodeIntent(node));
  await eventually('the placeholder', () => scene.node(node));
  await Promise.all([...replicas, webhook].map((one) => one.stop()));
  const [plain, web] = [scene.nodeName('plain'), 'web'];
  await client.request('POST', '/api/v1/nodes', {
    body: {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: plain, labels: { role: namespace } },
      status: { capacity: { cpu: '8', memory: '16Gi', pods: '110' } },
    },
  });
  await joinAs(client, plain);
  await work.replicaSet(web, 5, { spec: { nodeSelector: { role: namespace } } });
  const pods = await bound(web, plain, 5);
  t.ok(pods.every(({ status }) => status?.phase !== 'Failed'));
  const all = await client.list(PODS, { namespace: work.namespace });
  t.same(
    all.items.filter(({ status }) => status?.phase === 'Failed').map(({ metadata }) => metadata.name),
    [],
  );
});
