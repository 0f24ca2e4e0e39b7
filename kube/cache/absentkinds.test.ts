import { PassThrough, type Readable } from 'node:stream';
import t from 'tap';
import { NODE_OVERLAYS } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import { createLogger } from '../component/log.ts';
import { KubeError } from '../errors.ts';
import { soon } from '../testing/scratch.ts';
import { type Cache, createCache } from './cache.ts';

/** A server that refuses single requests for an optional kind, which has one object. */

const log = createLogger({ component: 'test', level: 'silent' });
const QUICK = { backoff: { firstMs: 5, maxMs: 20 }, patience: { refusedMs: 50, awayMs: 50 } };
const UNSERVED = new KubeError('the server could not find the requested resource', {
  kind: 'unserved',
  status: 404,
});
const NO_RIGHT = new KubeError('may not list', { kind: 'forbidden', status: 403 });

type Answer = 'served' | 'unserved';
interface Server {
  /** The answer to requests that begin, and to watches that go on. */
  list: Answer;
  watch: Answer;
  watches: number;
}

/** A watch that ends after a moment, so that the next one begins. */
const shortWatch = (): Readable => {
  const watch = new PassThrough();
  setTimeout(() => watch.end(), 5);
  return watch;
};

const clientOf = (server: Server): KubeClient =>
  ({
    server: 'fake',
    request: async () => {
      if (server.list === 'unserved') throw UNSERVED;
      return {
        items: [{ metadata: { name: 'one', uid: 'u', resourceVersion: '4' }, spec: { requirements: [] } }],
        metadata: { resourceVersion: '5' },
      };
    },
    stream: async () => {
      server.watches += 1;
      if (server.watch === 'unserved') throw UNSERVED;
      return Object.assign(shortWatch(), { headers: {} });
    },
  }) as unknown as KubeClient;

const follow = (test: Pick<typeof t, 'teardown'>, client: KubeClient): Cache<never> => {
  const stop = new AbortController();
  test.teardown(() => stop.abort());
  const cache = createCache({
    client,
    resource: NODE_OVERLAYS,
    log,
    isOptional: true,
    canStreamLists: false,
    ...QUICK,
  });
  cache.start(stop.signal);
  return cache as unknown as Cache<never>;
};

t.test('a watch that is answered with 404 now and then empties no cache', async (t) => {
  const server: Server = { list: 'served', watch: 'served', watches: 0 };
  const cache = follow(t, clientOf(server));
  await cache.synced();
  let least = cache.size;
  cache.onChange(() => {
    least = Math.min(least, cache.size);
  });
  for (let n = 0; n < 3; n++) {
    server.watch = 'unserved';
    const before = server.watches;
    await soon('a watch is refused', () => server.watches > before + 1);
    server.watch = 'served';
    const then = server.watches;
    await soon('two watches begin after it', () => server.watches > then + 1);
    t.equal(cache.size, 1);
  }
  t.equal(least, 1, 'not for a moment');
  t.equal(cache.absence, undefined);
});

t.test('an optional kind says why it has no objects', async (t) => {
  const server: Server = { list: 'unserved', watch: 'served', watches: 0 };
  const cache = follow(t, clientOf(server));
  await cache.synced();
  t.equal(cache.absence, 'unserved');
  server.list = 'served';
  await soon('its object is there', () => cache.size === 1);
  t.equal(cache.absence, undefined);
  server.list = 'unserved';
  server.watch = 'unserved';
  await soon('it is empty again', () => cache.size === 0);
  t.equal(cache.absence, 'removed', 'a kind that was there is told from one that never was');
});

const refusing = (error: KubeError): KubeClient =>
  ({ server: 'fake', request: () => Promise.reject(error), stream: () => Promise.reject(error) }) as never;

t.test('a missing right is told, and no other refusal is taken for one', async (t) => {
  const cache = follow(t, refusing(NO_RIGHT));
  await cache.synced();
  t.equal(cache.absence, 'forbidden');
  for (const error of [
    new KubeError('does not accept our credentials', { kind: 'forbidden', status: 401 }),
    new KubeError('the plugin that gives credentials failed', { kind: 'forbidden' }),
  ]) {
    await t.rejects(follow(t, refusing(error)).synced(), { message: /cannot list/ }, error.message);
  }
});
