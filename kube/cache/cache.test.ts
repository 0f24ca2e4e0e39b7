import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import t from 'tap';
import type { ConfigMap } from '../../api/objects.ts';
import { CONFIG_MAPS, type Resource } from '../../api/resources.ts';
import { scratch, soon } from '../testing/scratch.ts';
import { type Cache, type Change, createCache } from './cache.ts';

const { client, namespace, log } = scratch(t, 'cache');

const make = (name: string, data: Record<string, string> = {}): Promise<ConfigMap> =>
  client.create<ConfigMap>(CONFIG_MAPS, { metadata: { name, namespace, labels: { test: 'cache' } }, data });

const cacheOf = (o: {
  canStreamLists?: boolean;
  metrics?: Registry;
  labelSelector?: string;
}): Cache<ConfigMap> =>
  createCache<ConfigMap>({
    client,
    resource: CONFIG_MAPS,
    namespace,
    log,
    labelSelector: 'test=cache',
    indexes: { value: (o) => (o.data?.value ? [o.data.value] : []) },
    ...o,
  });

for (const canStreamLists of [true, false])
  t.test(`a cache follows its collection, ${canStreamLists ? 'streamed' : 'in pages'}`, async (t) => {
    const prefix = canStreamLists ? 's' : 'p';
    const stop = new AbortController();
    t.teardown(() => stop.abort());
    await make(`${prefix}-old`, { value: 'v1' });
    const cache = cacheOf({ canStreamLists });
    const changes: string[] = [];
    cache.onChange((c) => void changes.push(`${c.type} ${c.object.metadata.name}`));
    t.equal(cache.hasSynced, false);
    cache.start(stop.signal);
    await cache.synced();
    t.equal(cache.get(`${namespace}/${prefix}-old`)?.data?.value, 'v1');
    t.equal(cache.by('value', 'v1').length, 1);
    await make(`${prefix}-new`);
    await client.patch(CONFIG_MAPS, { name: `${prefix}-old`, namespace }, { data: { value: 'v2' } });
    await client.delete(CONFIG_MAPS, { name: `${prefix}-new`, namespace });
    await soon('all changes have arrived', () => changes.includes(`delete ${prefix}-new`));
    t.same(changes, [
      `add ${prefix}-old`,
      `add ${prefix}-new`,
      `update ${prefix}-old`,
      `delete ${prefix}-new`,
    ]);
    t.equal(cache.by('value', 'v1').length, 0);
    t.equal(cache.by('value', 'v2').length, 1);
    const late: Change<ConfigMap>[] = [];
    cache.onChange((c) => void late.push(c));
    t.equal(late.length, 1, 'a late subscriber receives the existing objects');
    await client.delete(CONFIG_MAPS, { name: `${prefix}-old`, namespace });
    await soon('the cache is empty', () => cache.size === 0);
  });

t.test('a handler that throws is counted and does not affect others', async (t) => {
  const metrics = new Registry();
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const cache = cacheOf({ metrics });
  let calls = 0;
  cache.onChange(() => {
    throw new Error('on purpose');
  });
  cache.onChange((async () => {
    throw new Error('on purpose, later');
  }) as () => void);
  cache.onChange(() => {
    calls++;
  });
  cache.start(stop.signal);
  await cache.synced();
  await make('thrown-at');
  await soon('the third handler is called', () => calls === 1);
  await sleep(0);
  t.match(await metrics.metrics(), /kube_cache_handler_errors_total\{kind="ConfigMap"\} 2/);
  await client.delete(CONFIG_MAPS, { name: 'thrown-at', namespace });
});

t.test('a cache that was stopped can be started again and misses nothing', async (t) => {
  const cache = cacheOf({});
  const changes: string[] = [];
  cache.onChange((c) => void changes.push(`${c.type} ${c.object.metadata.name}`));
  await make('stays');
  await make('goes');
  const first = new AbortController();
  cache.start(first.signal);
  await cache.synced();
  first.abort();
  await client.delete(CONFIG_MAPS, { name: 'goes', namespace });
  await make('comes');
  t.equal(changes.length, 2);
  const second = new AbortController();
  t.teardown(() => second.abort());
  cache.start(second.signal);
  await soon('it has caught up', () => changes.length === 4);
  t.same(changes.slice(2).sort(), ['add comes', 'delete goes']);
});

t.test('a kind that is not installed is distinguished from an unreachable server', async (t) => {
  const widgets: Resource = {
    group: 'x.example',
    version: 'v1',
    kind: 'Widget',
    plural: 'widgets',
    namespaced: false,
  };
  const cache = createCache({ client, resource: widgets, log, patience: { refusedMs: 100, awayMs: 300 } });
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  cache.start(stop.signal);
  await t.rejects(cache.synced(), {
    name: 'KubeError',
    message: /cannot list widgets\.x\.example: .*is its CustomResourceDefinition installed\?/,
  });
});
