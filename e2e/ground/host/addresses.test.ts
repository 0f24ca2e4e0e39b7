import t from 'tap';
import { addressesOf, freeLinks } from './addresses.ts';

t.test('no two links share a name or an address', async (t) => {
  const all = Array.from({ length: 256 }, (_, index) => addressesOf(index));
  t.equal(new Set(all.flatMap((one) => [one.link, one.host, one.inner])).size, 3 * 256);
  t.ok(
    all.every((one) => one.link.length <= 15),
    'an interface has at most 15 characters',
  );
});

t.test('there is no link before the first or after the last', async (t) => {
  for (const index of [-1, 256, 1.5]) t.throws(() => addressesOf(index), /there is no link/);
});

t.test('a link that an interface has is not free', async (t) => {
  t.strictSame(freeLinks(['lo', 'eth0', 'ppk0', 'ppk2'], []).slice(0, 2), [1, 3]);
});

t.test('a network that the host is in is not free', async (t) => {
  t.strictSame(freeLinks([], ['127.0.0.1', '10.90.0.17', '10.9.1.1']).slice(0, 2), [1, 2]);
});

t.test('names that only look like links take nothing', async (t) => {
  t.equal(freeLinks(['ppk', 'ppkx1', 'xppk1', 'ppk1.5'], []).length, 256);
});
