import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Pod } from '../../api/objects.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, PODS, REBALANCE_PLANS, SECRETS } from '../../api/resources.ts';
import { Balancer } from './balancer.ts';
import type { Component } from './component.ts';
import { eventually, freePort, ownHost, Scene } from './fixture.ts';
import { callsOf, configure, plan, startWebhook } from './webhookscene.ts';

/** Certificates change and replicas come and go, under load and with failurePolicy Fail: no pod is refused. */

const ROTATIONS = Number(process.env.SOAK ? 100 : 12);
const RESTARTS = Number(process.env.SOAK ? 50 : 4);
const scene = new Scene('rotation');
const work = new Scene('rotation-work');
const { client, namespace } = scene;
const configuration = `${namespace}-pins`;
const planName = `${namespace}-plan`;
const AUTHORITY = 'castai-pod-pinner-webhook-ca';
const LEAF = 'castai-pod-pinner-webhook-cert';

interface Replica {
  readonly component: Component;
  readonly port: number;
  readonly health: number;
}

let balancer: Balancer;
const replicas: Replica[] = [];
let serial = 0;

const start = async (): Promise<Replica> => {
  const port = await freePort();
  const health = await freePort();
  const component = startWebhook(
    { namespace, name: `r${serial++}`, port, configuration },
    { HEALTH_PORT: String(health), SETTLE: '1s', RETIRE: '1s', SHUTDOWN_DELAY: '1500ms', LOG_LEVEL: 'info' },
  );
  const replica = { component, port, health };
  replicas.push(replica);
  return replica;
};

const isReady = async ({ health }: Replica): Promise<boolean> =>
  fetch(`http://${ownHost}:${health}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

const balance = (): void => balancer.send(replicas.map(({ port }) => port));

/** Creates pods as dry runs, with this many creators at full speed, until stopped. */
const load = (creators: number) => {
  const failures: string[] = [];
  let count = 0;
  let isOver = false;
  const pod: Pod = {
    metadata: { name: '', generateName: 'p-', namespace: work.namespace },
    spec: { containers: [{ name: 'main', image: 'main' } as Pod['spec']['containers'][number]] },
  };
  const create = async (): Promise<void> => {
    while (!isOver) {
      try {
        await client.create(PODS, pod, { dryRun: true });
      } catch (error) {
        failures.push(String(error));
      }
      count++;
      await sleep(20);
    }
  };
  const all = Array.from({ length: creators }, create);
  return async () => {
    isOver = true;
    await Promise.all(all);
    return { failures, count };
  };
};

const dataOf = async (name: string, key: string): Promise<string> => {
  const { data } = await client.get(SECRETS, { name, namespace });
  return data?.[key] ?? '';
};

t.before(async () => {
  await Promise.all([scene.open(), work.open()]);
  balancer = await Balancer.start();
  for (const name of [AUTHORITY, LEAF]) await client.create(SECRETS, { metadata: { name, namespace } });
  await configure(client, {
    name: configuration,
    port: balancer.port,
    workload: work.namespace,
    failurePolicy: 'Fail',
  });
  // The API server calls the webhook only while a plan runs.
  await plan(client, planName, [await work.replicaSet('moved', 0)]);
  for (const replica of [await start(), await start()]) await eventually('ready', () => isReady(replica));
  balance();
});
t.teardown(async () => {
  await Promise.all(replicas.map(({ component }) => component.stop()));
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  await client.delete(REBALANCE_PLANS, { name: planName });
  await balancer.close();
  await Promise.all([scene.close(), work.close()]);
});

t.test(`${ROTATIONS} rotations of leaf and authority refuse no pod`, async (t) => {
  const stop = load(6);
  for (let at = 0; at < ROTATIONS; at++) {
    // In turn: a new leaf; a new authority and then a new leaf; both lost at once.
    const lost = [[LEAF], [AUTHORITY], [AUTHORITY, LEAF]][at % 3] ?? [];
    const before = await dataOf(LEAF, 'tls.crt');
    const loads = replicas.map(
      ({ component }) => component.lines.filter(({ msg }) => msg === 'certificate loaded').length,
    );
    for (const name of lost) await client.delete(SECRETS, { name, namespace });
    await eventually('a new leaf', async () => {
      const now = await dataOf(LEAF, 'tls.crt');
      return now !== '' && now !== before;
    });
    await eventually('both replicas serve it', () =>
      replicas.every(({ component }, index) => {
        const count = component.lines.filter(({ msg }) => msg === 'certificate loaded').length;
        return count > (loads[index] ?? 0);
      }),
    );
    await eventually(
      'the old authority is dropped',
      async () => (await dataOf(AUTHORITY, 'previous.crt')) === '',
    );
    // Only then is a rotation over; a Secret that is lost before has also lost the path that API servers still call.
    await eventually('the old path is dropped', async () => {
      const paths = Buffer.from(await dataOf(LEAF, 'paths'), 'base64').toString();
      return paths !== '' && !paths.includes(',');
    });
    for (const replica of replicas) t.ok(await isReady(replica));
  }
  const { failures, count } = await stop();
  t.same(failures.slice(0, 3), []);
  t.ok(count > 50, `${count} creations`);
  t.ok((await callsOf(client, configuration)) >= count, 'each of them was sent to the webhook');
});

t.test(`${RESTARTS} rolling restarts refuse no pod`, async (t) => {
  const stop = load(6);
  for (let at = 0; at < RESTARTS; at++) {
    const [old] = replicas;
    if (!old) throw new Error('no replica');
    const fresh = await start();
    await eventually('ready', () => isReady(fresh));
    balance();
    const ended = old.component.stop('SIGTERM');
    await eventually('unready', async () => !(await isReady(old)));
    replicas.shift();
    balance();
    t.equal(await ended, 0);
  }
  const { failures, count } = await stop();
  t.same(failures.slice(0, 3), []);
  t.ok(count > 50, `${count} creations`);
});
