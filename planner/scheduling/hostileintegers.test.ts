import t from 'tap';
import { integerOf } from './nodeaffinity.ts';

t.test('a bound of a million digits is none, at once', async (t) => {
  const since = performance.now();
  for (let i = 0; i < 10; i++) t.equal(integerOf('9'.repeat(1_000_000)), undefined);
  t.ok(performance.now() - since < 1000, `${performance.now() - since} ms for ten`);
});

t.test('integers are those of Go, whatever stands in front', async (t) => {
  const table: readonly [string | undefined, bigint | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['-', undefined],
    ['0', 0n],
    ['-0', 0n],
    ['+7', 7n],
    [`-${'0'.repeat(1000)}12`, -12n],
    ['9223372036854775807', 2n ** 63n - 1n],
    ['9223372036854775808', undefined],
    ['-9223372036854775808', -(2n ** 63n)],
    ['99999999999999999999', undefined],
  ];
  for (const [text, value] of table) t.equal(integerOf(text), value, String(text).slice(0, 30));
});
