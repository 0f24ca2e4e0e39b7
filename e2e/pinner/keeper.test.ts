import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Pod } from '../../api/objects.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, PODS, REBALANCE_PLANS, SECRETS } from '../../api/resources.ts';
import { paced, pacedSeconds } from '../../kube/testing/pace.ts';
import { createAuthority } from '../../webhook/certificates/issue.ts';
import { Balancer } from './balancer.ts';
import type { Component } from './component.ts';
import { eventually, freePort, ownHost, Scene } from './fixture.ts';
import { configure, plan, startKeeper, startServing } from './webhookscene.ts';

/**
 * The keeper of the certificates is killed after every step and restarted with another clock, while two replicas with
 * different clocks serve with failurePolicy Fail. No pod is refused.
 */

const ROTATIONS = Number(process.env.SOAK ? 100 : 5);
const A_SECOND = process.env.SOAK ? 200 : 40;
const TEN_MINUTES = 600_000;
const MENDED_MS = 5_000;
const scene = new Scene('keeper');
const work = new Scene('keeper-work');
const { client, namespace } = scene;
const configuration = `${namespace}-pins`;
const planName = `${namespace}-plan`;
const AUTHORITY = 'castai-pod-pinner-webhook-ca';
const LEAF = 'castai-pod-pinner-webhook-cert';

/** Shifts a process's clock. */
const clockOf = (offMs: number): string => {
  const shift = `const now = Date.now; Date.now = () => now() + ${offMs};
    globalThis.Date = class extends Date { constructor(...a) { a.length ? super(...a) : super(Date.now()); } };`;
  return `--import=data:text/javascript,${encodeURIComponent(shift)}`;
};

let balancer: Balancer;
const replicas: Component[] = [];
let keeper: Component;
let isKept = true;
let kills = 0;

const start = async (name: string, offMs: number): Promise<{ component: Component; port: number }> => {
  const [port, health] = [await freePort(), await freePort()];
  const env = {
    HEALTH_PORT: String(health),
    SETTLE: '1s',
    RETIRE: '1s',
    SHUTDOWN_DELAY: '1s',
    // A killed keeper's successor takes over soon.
    LEASE_DURATION: pacedSeconds(3, 0),
    RENEW_DEADLINE: pacedSeconds(2, 0),
    RETRY_PERIOD: '200ms',
    LOG_LEVEL: 'info',
    NODE_OPTIONS: clockOf(offMs),
  };
  if (name === 'keeper')
    return { component: startKeeper({ namespace, name, port, configuration }, env), port };
  const component = startServing({ namespace, name, port, configuration }, env);
  const isReady = () => fetch(`http://${ownHost}:${health}/readyz`).then(({ ok }) => ok);
  await eventually('ready', isReady, 60_000);
  return { component, port };
};

/** Kills the keeper after each step that it logs, and restarts it with the other clock. */
const haunt = async (): Promise<void> => {
  for (let at = 0; isKept; at++) {
    keeper = (await start('keeper', at % 2 === 0 ? TEN_MINUTES : -TEN_MINUTES)).component;
    const { process } = keeper;
    while (isKept && process.exitCode === null && !keeper.said('certificate rotation step done'))
      await sleep(2);
    kills += isKept ? 1 : 0;
    await keeper.stop('SIGKILL');
  }
};

const dataOf = async (name: string): Promise<Readonly<Record<string, string>>> =>
  (await client.get(SECRETS, { name, namespace })).data ?? {};

const bundle = async (): Promise<string> => {
  const found = await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  return found.webhooks?.[0]?.clientConfig.caBundle ?? '';
};

const encode = (text: string): string => Buffer.from(text).toString('base64');
const decode = (text = ''): string => Buffer.from(text, 'base64').toString();

const patchSecret = (name: string, data: Readonly<Record<string, string | null>>): Promise<unknown> =>
  client.patch(SECRETS, { name, namespace }, { data } as object, { type: 'merge' });

const overwrite = (text: string): Promise<unknown> => {
  const operation = { op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: encode(text) };
  return client.patch(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration }, [operation], {
    type: 'json',
  });
};

/** Kinds of certificate changes, in turn. */
const ROUNDS: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['a leaf is due', () => patchSecret(LEAF, { 'tls.crt': null })],
  [
    'an authority is due',
    async () => {
      const next = await createAuthority(Date.now(), 365);
      await patchSecret(AUTHORITY, { 'next.crt': encode(next.cert), 'next.key': encode(next.key) });
    },
  ],
  ['the Secret of the leaf is deleted', () => client.delete(SECRETS, { name: LEAF, namespace })],
  ['the Secret of the authority is deleted', () => client.delete(SECRETS, { name: AUTHORITY, namespace })],
  [
    'the caBundle is overwritten with more than belongs there',
    async () => overwrite(decode(await bundle()) + (await createAuthority(Date.now(), 1)).cert),
  ],
];

/** The state of rest: one authority, trusted alone, and a leaf. */
const isSettled = async (before: string): Promise<boolean> => {
  const [authority, leaf] = [await dataOf(AUTHORITY), await dataOf(LEAF)];
  const isWhole =
    authority['ca.crt'] && !authority['next.crt'] && !authority['previous.crt'] && leaf['tls.crt'];
  if (!isWhole || decode(await bundle()).trim() !== decode(authority['ca.crt']).trim()) return false;
  return `${authority['ca.crt']}${leaf['tls.crt']}` !== before || before === '';
};

interface Failure {
  readonly at: number;
  readonly said: string;
}

/** Creates this many pods a second, as dry runs, until stopped. */
const load = (aSecond: number) => {
  const failures: Failure[] = [];
  const spec = { containers: [{ name: 'main', image: 'main' }] } as unknown as Pod['spec'];
  const pod: Pod = { metadata: { name: '', generateName: 'p-', namespace: work.namespace }, spec };
  const pending = new Set<Promise<void>>();
  const began = Date.now();
  let count = 0;
  const create = async (): Promise<void> => {
    const at = Date.now();
    await client.create(PODS, pod, { dryRun: true }).catch((error: unknown) => {
      failures.push({ at, said: String(error) });
    });
  };
  const timer = setInterval(() => {
    for (; count < ((Date.now() - began) * aSecond) / 1_000 && pending.size < 200; count++) {
      const one = create().finally(() => pending.delete(one));
      pending.add(one);
    }
  }, 5);
  return async () => {
    clearInterval(timer);
    await Promise.all(pending);
    return { failures, count, seconds: (Date.now() - began) / 1_000 };
  };
};

let haunting: Promise<void>;

t.before(async () => {
  await Promise.all([scene.open(), work.open()]);
  balancer = await Balancer.start();
  for (const name of [AUTHORITY, LEAF]) await client.create(SECRETS, { metadata: { name, namespace } });
  const { port } = balancer;
  await configure(client, { name: configuration, port, workload: work.namespace, failurePolicy: 'Fail' });
  await plan(client, planName, [await work.replicaSet('moved', 0)]);
  haunting = haunt();
  await eventually('the keeper keeps', async () => (await dataOf(AUTHORITY))['ca.crt'], 60_000);
  const served = await Promise.all([start('r0', TEN_MINUTES), start('r1', -TEN_MINUTES)]);
  replicas.push(...served.map(({ component }) => component));
  balancer.send(served.map(({ port }) => port));
  await eventually('in order', () => isSettled(''), 60_000);
});
t.teardown(async () => {
  isKept = false;
  await haunting;
  await Promise.all(replicas.map((replica) => replica.stop()));
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
  await client.delete(REBALANCE_PLANS, { name: planName });
  await balancer.close();
  await Promise.all([scene.close(), work.close()]);
});

t.test(
  `${ROTATIONS} changes of certificates, the keeper killed after each step, refuse no pod`,
  async (t) => {
    const stop = load(A_SECOND);
    for (let at = 0; at < ROTATIONS; at++) {
      const [what, change] = ROUNDS[at % ROUNDS.length] ?? ROUNDS[0] ?? ['', async () => {}];
      const before = `${(await dataOf(AUTHORITY))['ca.crt']}${(await dataOf(LEAF))['tls.crt']}`;
      const isOnlyBundle = what.includes('caBundle');
      await change();
      await eventually(what, () => isSettled(isOnlyBundle ? '' : before), 300_000);
    }
    const { failures, count, seconds } = await stop();
    t.same(failures.slice(0, 3), []);
    t.comment(`${count} creations in ${seconds.toFixed(0)} s, ${kills} kills, ${ROTATIONS} changes`);
    t.ok(kills >= ROTATIONS, `${kills} kills`);
  },
);

t.test('a caBundle of a stranger refuses pods no longer than it takes to mend it', async (t) => {
  const right = await bundle();
  const stop = load(A_SECOND);
  const began = Date.now();
  await overwrite((await createAuthority(Date.now(), 1)).cert);
  await eventually('the bundle is back', async () => (await bundle()) === right, MENDED_MS);
  const mended = Date.now();
  // The API server learns of it by watch.
  await eventually('pods are created again', () =>
    client
      .create(
        PODS,
        {
          metadata: { name: 'q', namespace: work.namespace },
          spec: { containers: [{ name: 'm', image: 'm' }] },
        } as unknown as Pod,
        { dryRun: true },
      )
      .then(() => true),
  );
  const { failures, count } = await stop();
  t.comment(`mended after ${mended - began} ms; ${failures.length} of ${count} creations refused meanwhile`);
  t.ok(failures.every(({ at }) => at < mended + paced(1_000)));
});
