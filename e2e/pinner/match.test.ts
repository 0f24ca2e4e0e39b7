import t from 'tap';
import { PIN, PIN_PROBE } from '../../api/labels.ts';
import type { KubeObject, Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, PODS, REBALANCE_PLANS, SECRETS } from '../../api/resources.ts';
import { isForbidden } from '../../kube/errors.ts';
import { Balancer } from './balancer.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, freePort, joinAs, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent } from './intents.ts';
import { configure, plan, startWebhook } from './webhookscene.ts';

/** Which pods of which owners get the plan's slots, with two webhooks that the API server calls in turn. */

const scene = new Scene('match');
const work = new Scene('match-work');
const { client, namespace } = scene;
const configuration = `${namespace}-pins`;
const planName = `${namespace}-plan`;
const COUNTS = [40, 35, 25];
const [one = '', two = '', three = ''] = ['one', 'two', 'three'].map((name) => scene.nodeName(name));

let autoscaler: Autoscaler;
let balancer: Balancer;
const processes: Component[] = [];
const owners = new Map<string, KubeObject>();

const own = async (
  group: string,
  plural: string,
  kind: string,
  name: string,
  spec: object,
): Promise<void> => {
  const prefix = group === '' ? '/api/v1' : `/apis/${group}/v1`;
  const made = await client.request<KubeObject>('POST', `${prefix}/namespaces/${work.namespace}/${plural}`, {
    body: { apiVersion: group === '' ? 'v1' : `${group}/v1`, kind, metadata: { name }, ...spec },
  });
  owners.set(name, { ...made, kind });
};

const templateOf = (app: string) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'main', image: 'main', resources: { requests: { cpu: '10m' } } }] },
});

const patchOwner = (path: string, body: object): Promise<unknown> =>
  client.request('PATCH', path, { body, contentType: 'application/merge-patch+json' });

const intentOf = (nodeName: string, name: string, count: number, names: readonly string[] = []): Intent => {
  const { kind = '', metadata } = owners.get(name) ?? { metadata: { name } };
  return {
    id: `pin/${work.namespace}/${name}/${nodeName}`,
    plan: planName,
    nodeClaim: `claim-of-${nodeName}`,
    nodeName,
    pin: { namespace: work.namespace, owner: { kind, name, uid: metadata.uid ?? '', count, names } },
  };
};

t.before(async () => {
  await Promise.all([scene.open(), work.open()]);
  balancer = await Balancer.start();
  for (const name of ['castai-pod-pinner-webhook-ca', 'castai-pod-pinner-webhook-cert'])
    await client.create(SECRETS, { metadata: { name, namespace }, type: 'Opaque' });
  const selector = { matchLabels: { app: 'db' } };
  const set = { replicas: 0, serviceName: 'db', podManagementPolicy: 'Parallel', selector };
  await own('apps', 'statefulsets', 'StatefulSet', 'db', { spec: { ...set, template: templateOf('db') } });
  const once = templateOf('once');
  await own('batch', 'jobs', 'Job', 'once', {
    spec: {
      suspend: true,
      parallelism: 2,
      completions: 2,
      template: { ...once, spec: { ...once.spec, restartPolicy: 'Never' } },
    },
  });
  // Any kind may own pods: here one that Kubernetes does not know as a controller.
  await own('', 'configmaps', 'ConfigMap', 'game', {});
  await configure(client, {
    name: configuration,
    port: balancer.port,
    workload: work.namespace,
    probes: namespace,
  });
  await plan(client, planName, [...owners.values()]);
  autoscaler = await Autoscaler.start(client, namespace);
  processes.push(new Component('extender/main.ts', pinnerEnv(namespace, 'a')));
  await eventually('the full state', () => processes[0]?.said('full state received'), 60_000);
  const ports = [await freePort(), await freePort()];
  for (const port of ports)
    processes.push(
      startWebhook({ namespace, name: `w${port}`, port, configuration }, { TAKE_TIMEOUT: '2s' }),
    );
  for (const name of [one, two, three]) {
    autoscaler.upsert(nodeIntent(name, { cpu: '64', pods: '200' }));
    await eventually('the placeholder', () => scene.node(name));
    await joinAs(client, name);
  }
  for (const webhook of processes.slice(1))
    await eventually('a certificate', () => webhook.said('certificate loaded'), 60_000);
  balancer.send(ports);
});
t.teardown(async () => {
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  await Promise.all(processes.map((process) => process.stop()));
  await autoscaler.close();
  await balancer.close();
  await client.delete(REBALANCE_PLANS, { name: planName }).catch(() => {});
  await Promise.all([scene.close(), work.close()]);
});

const podOf = (
  name: string,
  labels: Readonly<Record<string, string>> = { app: name },
  space = work.namespace,
): Pod => {
  const { kind = '', metadata } = owners.get(name) ?? { metadata: { name } };
  const owner = { apiVersion: 'v1', kind, name, uid: metadata.uid ?? '', controller: true };
  return {
    metadata: {
      name: '',
      generateName: `${name}-`,
      namespace: space,
      labels,
      ownerReferences: [owner],
    },
    spec: templateOf(name).spec,
  } as unknown as Pod;
};

/** Sends the pins of an owner, and waits until they have reached the API server's webhook configuration. */
const told = async (owner: string, ...intents: readonly Intent[]): Promise<void> => {
  autoscaler.upsert(...intents);
  for (const { id } of intents) await eventually('the pins are known', () => autoscaler.results.get(id));
  await eventually('the webhook is live', async () => {
    const made = await client.create(PODS, podOf(owner, { [PIN_PROBE]: 'true' }, namespace), {
      dryRun: true,
    });
    return made.metadata.annotations?.[PIN];
  });
};

t.test('pods of a StatefulSet go where the plan has their names; others of it are left alone', async (t) => {
  await told('db', intentOf(one, 'db', 1, ['db-2']), intentOf(two, 'db', 1, ['db-1']));
  const path = `/apis/apps/v1/namespaces/${work.namespace}/statefulsets/db`;
  await patchOwner(path, { spec: { replicas: 4 } });
  const pods = await eventually('its pods', async () => {
    const found = await work.podsOf('db');
    return found.length === 4 && found;
  });
  const pinned = pods.filter(({ metadata }) => metadata.annotations?.[PIN] !== undefined);
  t.same(pinned.map(({ metadata, spec }) => [metadata.name, spec.nodeName]).sort(), [
    ['db-1', two],
    ['db-2', one],
  ]);
});

t.test('pods of a Job are put on their node as they are created', async (t) => {
  await told('once', intentOf(three, 'once', 2));
  await patchOwner(`/apis/batch/v1/namespaces/${work.namespace}/jobs/once`, { spec: { suspend: false } });
  const pods = await eventually('its pods', async () => {
    const found = await work.podsOf('once');
    return found.length === 2 && found;
  });
  t.ok(pods.every(({ spec }) => spec.nodeName === three));
});

const usedOf = async (): Promise<readonly number[]> => {
  const pods = await work.podsOf('game');
  return [one, two, three].map((name) => pods.filter(({ spec }) => spec.nodeName === name).length);
};

t.test('of 500 creations at once no two get one slot, and none is lost where a creation fails', async (t) => {
  const nodes = [one, two, three];
  await told('game', ...nodes.map((name, at) => intentOf(name, 'game', COUNTS[at] ?? 0)));
  const quota = `/api/v1/namespaces/${work.namespace}/resourcequotas`;
  // Together with the other pods there is room for less than half of the slots.
  const spec = { hard: { pods: '50' } };
  await client.request('POST', quota, {
    body: { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'few' }, spec },
  });
  await eventually('the quota counts', async () => {
    const found = await client.request<{ status?: { hard?: object } }>('GET', `${quota}/few`);
    return found.status?.hard !== undefined;
  });
  let refused = 0;
  await Promise.all(
    Array.from({ length: 500 }, async (_, at) => {
      try {
        await client.create(PODS, podOf('game'), { dryRun: at % 5 === 0 });
      } catch (error) {
        if (!isForbidden(error)) throw error;
        refused++;
      }
    }),
  );
  t.ok(refused > 300, `${refused} were refused by the quota`);
  const first = await usedOf();
  t.ok(
    first.every((used, at) => used <= (COUNTS[at] ?? 0)),
    `${first.join(', ')} of ${COUNTS.join(', ')}`,
  );
  await client.request('DELETE', `${quota}/few`);
  const full = await eventually(
    'every slot is in use',
    async () => {
      await client.create(PODS, podOf('game'));
      const used = await usedOf();
      return used.every((each, at) => each >= (COUNTS[at] ?? 0)) && used;
    },
    60_000,
  );
  t.same(full, COUNTS);
  for (let at = 0; at < 5; at++) await client.create(PODS, podOf('game'));
  t.same(await usedOf(), COUNTS, 'and no more');
  const webhooks = processes.slice(1);
  t.ok(
    webhooks.every((webhook) => webhook.said('pinning pod')),
    'both webhooks were asked',
  );
});
