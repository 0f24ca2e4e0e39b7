import t from 'tap';
import { TtlCache } from './ttlcache.ts';

t.test('entries expire after the TTL, and the oldest leave a full cache', async (t) => {
  let now = 0;
  const cache = new TtlCache<number>({ ttlMs: 100, maxSize: 3, now: () => now });
  cache.set('a', 1);
  now = 50;
  cache.set('b', 2);
  t.equal(cache.get('a'), 1);
  now = 100;
  t.equal(cache.get('a'), undefined, 'its TTL is over');
  t.equal(cache.get('b'), 2);
  cache.set('b', 3);
  now = 160;
  t.equal(cache.get('b'), 3, 'a value set again starts a new TTL');
  for (const key of ['c', 'd', 'e']) cache.set(key, 4);
  t.equal(cache.get('b'), undefined, 'the oldest goes first');
  t.same(
    ['c', 'd', 'e'].map((key) => cache.get(key)),
    [4, 4, 4],
  );
  cache.delete('d');
  t.equal(cache.get('d'), undefined);
  cache.clear();
  t.equal(cache.get('e'), undefined);
});
