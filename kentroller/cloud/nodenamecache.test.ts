import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { until } from '../../kube/testing/until.ts';
import { createNodeNameCache } from './nodenamecache.ts';

const SOON = { timeoutMs: 10_000, everyMs: 5 };

/** A cloud whose names are added by the test; `calls` are the ids of each call. */
const fakeCloud = () => {
  const names = new Map<string, string>();
  const calls: (readonly string[])[] = [];
  let failures = 0;
  return {
    names,
    calls,
    failNext: (): void => {
      failures += 1;
    },
    catalogue: () => Promise.reject(new Error('not used')),
    nodeNames: async (ids: readonly string[]) => {
      calls.push(ids);
      if (failures > 0) {
        failures -= 1;
        throw new Error('throttled');
      }
      return new Map([...names].filter(([id]) => ids.includes(id)));
    },
  };
};

const open = (t: { teardown(end: () => void): void }, cloud = fakeCloud()) => {
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  const log = createLogger({ component: 'names-test', level: 'silent' });
  return { cloud, cache: createNodeNameCache({ cloud, log, signal: stopping.signal }) };
};

t.test('missing names are read in one call, and once', async (t) => {
  const { cloud, cache } = open(t);
  cloud.names.set('a', 'node-a').set('b', 'node-b');
  let changes = 0;
  const unsubscribe = cache.onChange(() => {
    changes += 1;
  });
  t.equal(cache.get('a'), undefined);
  t.equal(cache.get('b'), undefined);
  await until('the names are known', () => cache.get('a') && cache.get('b'), SOON);
  unsubscribe();
  t.same(cloud.calls, [['a', 'b']]);
  t.equal(changes, 1);
  cache.get('c');
  await until('the next call', () => cloud.calls.length === 2, SOON);
  t.same(cloud.calls[1], ['c'], 'known names are not read again');
});

t.test('a name that the cloud does not know, and a failed call, are tried again', async (t) => {
  const { cloud, cache } = open(t);
  cloud.failNext();
  cache.get('a');
  await until('the first call', () => cloud.calls.length === 1, SOON);
  cloud.names.set('a', 'node-a');
  // `get` would start a call of its own, so the listener waits.
  let isKnown = false;
  cache.onChange(() => {
    isKnown = true;
  });
  await until('the name is known', () => isKnown, SOON);
  t.equal(cache.get('a'), 'node-a');
  t.equal(cloud.calls.length, 2);
});
