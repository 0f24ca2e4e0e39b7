import t from 'tap';
import { TtlCache } from './ttlcache.ts';

t.test('what was said is known for so long, and no more than so many of them', async (t) => {
  let now = 0;
  const recent = new TtlCache<number>({ keepMs: 100, most: 3, now: () => now });
  recent.set('a', 1);
  now = 50;
  recent.set('b', 2);
  t.equal(recent.get('a'), 1);
  now = 100;
  t.equal(recent.get('a'), undefined, 'its time is over');
  t.equal(recent.get('b'), 2);
  recent.set('b', 3);
  now = 160;
  t.equal(recent.get('b'), 3, 'said again, it is kept as long again');
  for (const key of ['c', 'd', 'e']) recent.set(key, 4);
  t.equal(recent.get('b'), undefined, 'the oldest goes first');
  t.same(
    ['c', 'd', 'e'].map((key) => recent.get(key)),
    [4, 4, 4],
  );
  recent.delete('d');
  t.equal(recent.get('d'), undefined);
  recent.clear();
  t.equal(recent.get('e'), undefined);
});
