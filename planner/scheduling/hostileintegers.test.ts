import t from 'tap';
import { integerOf } from './nodeaffinity.ts';

t.test('a bound of a million digits is none, and nothing computes with them', async (t) => {
  const real = BigInt;
  const lengths: number[] = [];
  globalThis.BigInt = new Proxy(real, {
    apply: (_target, _self, [value]: [string]) => {
      lengths.push(value.length);
      return real(value);
    },
  });
  t.teardown(() => {
    globalThis.BigInt = real;
  });
  t.equal(integerOf('12'), 12n);
  t.same(lengths.splice(0), [2], 'integers are made here');
  for (const digits of [20, 1_000_000]) t.equal(integerOf('9'.repeat(digits)), undefined);
  t.equal(integerOf(`-${'0'.repeat(1_000_000)}7`), -7n);
  t.same(lengths, [1], 'digits that were computed with');
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
