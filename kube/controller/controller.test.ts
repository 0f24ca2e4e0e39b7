import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import t from 'tap';
import type { ConfigMap } from '../../api/objects.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import { type Cache, createCache, keyOf } from '../cache/cache.ts';
import { KubeError } from '../errors.ts';
import { scratch, soon } from '../testing/scratch.ts';
import { type Action, awaitChange, requeue, runControllers, watches } from './controller.ts';

const { client, namespace, log } = scratch(t, 'controller');

const make = (name: string, suite: string): Promise<ConfigMap> =>
  client.create<ConfigMap>(CONFIG_MAPS, { metadata: { name, namespace, labels: { suite } } });

const cacheFor = (suite: string): Cache<ConfigMap> =>
  createCache<ConfigMap>({ client, resource: CONFIG_MAPS, namespace, labelSelector: `suite=${suite}`, log });

interface Running {
  readonly stop: () => Promise<void>;
  readonly metrics: Registry;
}

const run = (
  suite: string,
  reconcile: (key: string, signal: AbortSignal) => Promise<Action>,
  o: { concurrency?: number } = {},
): Running => {
  const stopping = new AbortController();
  const metrics = new Registry();
  const done = runControllers({
    controllers: [
      { name: suite, sources: [watches(cacheFor(suite), (object) => [keyOf(object)])], reconcile },
    ],
    signal: stopping.signal,
    log,
    metrics,
    ...o,
  });
  return {
    metrics,
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
};

t.test('each change is reconciled, and so are the objects that exist at the start', async (t) => {
  await make('there', 'each');
  const seen: string[] = [];
  const running = run('each', async (key) => {
    seen.push(key);
    return awaitChange;
  });
  t.teardown(running.stop);
  await soon('the first is seen', () => seen.includes(`${namespace}/there`));
  await make('later', 'each');
  await soon('the second is seen', () => seen.includes(`${namespace}/later`));
  await client.delete(CONFIG_MAPS, { name: 'later', namespace });
  await soon('its end is seen', () => seen.filter((k) => k.endsWith('/later')).length === 2);
});

t.test('changes of a source that gathers are one reconciliation', async (t) => {
  const stopping = new AbortController();
  const cache = cacheFor('gather');
  await make('gather', 'gather');
  cache.start(stopping.signal);
  await cache.synced();
  let calls = 0;
  const done = runControllers({
    controllers: [
      {
        name: 'gather',
        sources: [watches(cache, () => ['all'], { gatherMs: 2_000 })],
        reconcile: async () => {
          calls++;
          return awaitChange;
        },
      },
    ],
    signal: stopping.signal,
    log,
  });
  let changes = 0;
  cache.onChange(() => void changes++);
  for (const n of [1, 2, 3, 4, 5])
    await client.patch(CONFIG_MAPS, { name: 'gather', namespace }, { data: { n: String(n) } });
  await soon('all changes have arrived', () => changes === 6);
  t.equal(calls, 0, 'they wait');
  await soon('it is reconciled', () => calls === 1);
  await sleep(100);
  t.equal(calls, 1);
  stopping.abort();
  await done;
});

t.test('requeue brings the key back', async (t) => {
  let calls = 0;
  const running = run('again', async () => (++calls < 3 ? requeue(10) : awaitChange));
  t.teardown(running.stop);
  await make('a', 'again');
  await soon('three calls', () => calls === 3);
  t.match(
    await running.metrics.metrics(),
    /controller_runtime_reconcile_total\{controller="again",result="requeue_after"\} 2/,
  );
});

t.test('the kind of an error decides whether its key is retried', async (t) => {
  const table: [string, () => unknown, number, RegExp][] = [
    ['plain', () => new Error('x'), 3, /controller_runtime_reconcile_errors_total\{controller="plain"\} 2/],
    ['retryable', () => new KubeError('x', { kind: 'retryable', retryAfterMs: 5 }), 3, /result="error"\} 2/],
    ['conflict', () => new KubeError('x', { kind: 'conflict' }), 3, /result="requeue"\} 2/],
    ['not-found', () => new KubeError('x', { kind: 'not-found' }), 1, /result="success"\} 1/],
    ['unserved', () => new KubeError('x', { kind: 'unserved' }), 1, /result="requeue_after"\} 1/],
    [
      'terminal',
      () => new KubeError('x', { kind: 'terminal' }),
      1,
      /terminal_reconcile_errors_total\{controller="terminal"\} 1/,
    ],
  ];
  for (const [name, error, expected, metric] of table) {
    let calls = 0;
    const running = run(name, async () => {
      if (++calls < 3) throw error();
      return awaitChange;
    });
    await make(`e-${name}`, name);
    await soon(`${name}: ${expected} calls`, () => calls >= expected);
    await sleep(60);
    t.equal(calls, expected, name);
    t.match(await running.metrics.metrics(), metric, name);
    await running.stop();
  }
});

t.test('a stop lets running reconciliations finish and starts no others', async (t) => {
  // A component's servers keep its process alive; here nothing else does while a watch is quiet.
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => clearInterval(alive));
  let isDone = false;
  let calls = 0;
  const begun = Promise.withResolvers<void>();
  const running = run('drain', async (_key, signal) => {
    calls++;
    begun.resolve();
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await sleep(50);
    isDone = true;
    return awaitChange;
  });
  await make('d1', 'drain');
  await make('d2', 'drain');
  await begun.promise;
  // Without a second waiting key, a stop would have nothing to start.
  const depth = running.metrics.getSingleMetric('workqueue_depth');
  await soon('a key waits', async () => (await depth?.get())?.values[0]?.value === 1);
  await running.stop();
  t.equal(isDone, true);
  t.equal(calls, 1);
});

t.test('workers work on different keys at once, never on the same one', async (t) => {
  const under = new Set<string>();
  let most = 0;
  let calls = 0;
  const running = run(
    'parallel',
    async (key) => {
      if (under.has(key)) t.fail(`${key} twice`);
      under.add(key);
      most = Math.max(most, under.size);
      await sleep(30);
      under.delete(key);
      return ++calls < 12 ? requeue(1) : awaitChange;
    },
    { concurrency: 3 },
  );
  t.teardown(running.stop);
  for (const name of ['p1', 'p2', 'p3', 'p4']) await make(name, 'parallel');
  await soon('twelve calls', () => calls >= 12);
  t.equal(most, 3);
  t.match(await running.metrics.metrics(), /workqueue_adds_total\{name="parallel",controller="parallel"\}/);
});

t.test('a cache that cannot be filled ends the run with its reason', async (t) => {
  const cache = createCache({
    client,
    resource: { group: 'x.example', version: 'v1', kind: 'Widget', plural: 'widgets', namespaced: false },
    log,
    patience: { refusedMs: 50, awayMs: 50 },
  });
  await t.rejects(
    runControllers({
      controllers: [
        { name: 'w', sources: [watches(cache, (o) => [keyOf(o)])], reconcile: async () => awaitChange },
      ],
      signal: new AbortController().signal,
      log,
    }),
    { name: 'KubeError', message: /cannot list widgets/ },
  );
});
