import t from 'tap';
import { isGated } from '../../api/heldpods.ts';
import { PIN } from '../../api/labels.ts';
import type { Container, Pod, ReplicaSet } from '../../api/objects.ts';
import { CONFIG_MAPS, MUTATING_WEBHOOK_CONFIGURATIONS, PODS } from '../../api/resources.ts';
import { isForbidden } from '../../kube/errors.ts';
import { Balancer } from './balancer.ts';
import { eventually, freePort } from './fixture.ts';
import { HeldScene } from './heldscene.ts';
import { nodeIntent, ownerIntent } from './intents.ts';
import { configure, startWebhook } from './webhookscene.ts';

/** Two replicas of the webhook, 500 creations at once: no slot is given twice, and none is lost. */

const CREATIONS = 500;
const COUNTS = [120, 100, 80];
const SLOTS = COUNTS.reduce((sum, count) => sum + count, 0);
const QUOTA = 200;

const scene = new HeldScene('quota');
const { client, work } = scene;
let balancer: Balancer;

const quota = (pods: number): Promise<unknown> => {
  const path = `/api/v1/namespaces/${work.namespace}/resourcequotas`;
  const body = {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'few' },
    spec: { hard: { pods: String(pods) } },
  };
  return client.request('POST', path, { body });
};

const podOf = (owner: ReplicaSet, name: string, isLate: boolean): Pod => {
  const { name: ownerName, uid = '' } = owner.metadata;
  const container: Container & { readonly image: string } = {
    name: 'main',
    image: 'main',
    resources: { requests: { cpu: '10m' } },
  };
  return {
    metadata: {
      name,
      namespace: work.namespace,
      // Its labels differ from the ReplicaSet's, which would delete surplus pods.
      labels: { of: 'suite' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: ownerName, uid, controller: true }],
    },
    spec: {
      containers: [container],
      ...(isLate ? { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'never' } }] } : {}),
    },
  };
};

const outcomeOf = async (creation: Promise<unknown>): Promise<'made' | 'refused'> => {
  try {
    await creation;
    return 'made';
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return 'refused';
  }
};

t.before(async () => {
  await scene.open();
  balancer = await Balancer.start();
  // Leadership does not matter here.
  const pinner = await scene.pinner({ LEASE_DURATION: '30s', RENEW_DEADLINE: '20s' });
  await configure(client, { name: scene.configuration, port: balancer.port, workload: work.namespace });
  const ports: number[] = [];
  for (const name of ['left', 'right']) {
    const port = await freePort();
    const webhook = startWebhook(
      { namespace: scene.home.namespace, name, port, configuration: scene.configuration },
      { COEXISTENCE: 'off', TAKE_TIMEOUT: '2500ms' },
    );
    scene.components.push(webhook);
    ports.push(port);
    await eventually('a certificate', () => webhook.said('certificate loaded'), 60_000);
  }
  balancer.send(ports);
  await scene.leads(pinner);
});
t.teardown(async () => {
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: scene.configuration });
  await scene.close();
  await balancer.close();
});

t.test(
  `${CREATIONS} creations at once, dry runs among them, and a quota that refuses the rest`,
  async (t) => {
    const owner = (await client.create(CONFIG_MAPS, {
      metadata: { name: 'owner', namespace: work.namespace },
    })) as unknown as ReplicaSet;
    await scene.plan(owner);
    const nodes = COUNTS.map((_, at) => scene.home.nodeName(`n${at}`));
    const intents = nodes.map((name, at) => ownerIntent(name, owner, COUNTS[at] ?? 0));
    scene.autoscaler.upsert(...nodes.map((name) => nodeIntent(name, { cpu: '64', pods: '500' })), ...intents);
    for (const name of nodes) await eventually('the placeholder', () => scene.home.node(name));
    for (const { id } of intents)
      await eventually('the pin is known', () => scene.autoscaler.results.get(id));
    const probe = podOf(owner, 'probe', false);
    await eventually('the door is open', async () => {
      const made = await client.create(PODS, probe);
      await client.delete(PODS, { name: 'probe', namespace: work.namespace }, { gracePeriodSeconds: 0 });
      return made.spec.nodeName !== undefined;
    });
    await quota(QUOTA);
    await eventually('the quota is counted', async () => {
      const path = `/api/v1/namespaces/${work.namespace}/resourcequotas/few`;
      const found = await client.request<{ status?: { used?: { pods?: string } } }>('GET', path);
      return found.status?.used?.pods === '0';
    });

    const began = Date.now();
    const outcomes = await Promise.all(
      Array.from({ length: CREATIONS }, (_, at) =>
        outcomeOf(
          client.create(PODS, podOf(owner, `p-${at}`, at % 2 === 0), at % 10 === 9 ? { dryRun: true } : {}),
        ),
      ),
    );
    t.comment(`${CREATIONS} creations in ${Date.now() - began} ms`);
    const all = async (): Promise<readonly Pod[]> =>
      (await client.list(PODS, { namespace: work.namespace })).items;
    const holding = (pods: readonly Pod[], id: string, nodeName: string): number =>
      pods.filter(
        (pod) => pod.spec.nodeName === nodeName || (pod.metadata.annotations?.[PIN] === id && isGated(pod)),
      ).length;
    const first = await all();
    t.equal(first.length, QUOTA, 'as many as the quota allows');
    t.ok(outcomes.includes('refused'));
    const notMore = (pods: readonly Pod[], when: string): void => {
      intents.forEach(({ id, nodeName }, at) => {
        const count = holding(pods, id, nodeName);
        t.ok(count <= (COUNTS[at] ?? 0), `${when}: ${count} of ${COUNTS[at]} slots of ${nodeName}`);
      });
    };
    notMore(first, 'while the quota holds');
    t.ok(first.some(isGated) && first.some(({ spec }) => spec.nodeName), 'some assigned, some held');

    // Slots granted to refused creations are free again, and dry runs were granted none.
    await client.request('DELETE', `/api/v1/namespaces/${work.namespace}/resourcequotas/few`);
    for (const { metadata } of first.filter((pod) => pod.metadata.annotations?.[PIN] === undefined)) {
      const ref = { name: metadata.name, namespace: work.namespace };
      await client.delete(PODS, ref, { gracePeriodSeconds: 0 }).catch(() => {});
    }
    let serial = 0;
    const last = await eventually(
      'every slot is taken, and no more',
      async () => {
        const made = Array.from({ length: 30 }, () =>
          client.create(PODS, podOf(owner, `q-${serial++}`, false)),
        );
        await Promise.all(made);
        const pods = await all();
        notMore(pods, 'after the quota');
        return intents.every(({ id, nodeName }, at) => holding(pods, id, nodeName) === COUNTS[at]) && pods;
      },
      60_000,
    );
    const pinned = last.filter(({ metadata }) => metadata.annotations?.[PIN] !== undefined);
    t.equal(pinned.length, SLOTS, 'the rest has none');
  },
);
