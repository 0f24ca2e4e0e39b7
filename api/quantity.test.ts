import fc from 'fast-check';
import t from 'tap';
import { amount, bytes, cpuMillis, formatBytes, formatCpu, parseQuantity } from './quantity.ts';

t.test('quantities are read exactly', async (t) => {
  const table: readonly (readonly [string, bigint])[] = [
    ['1.5Gi', 1_610_612_736_000_000_000n],
    ['250m', 250_000_000n],
    ['1e3', 1_000_000_000_000n],
    ['1E3', 1_000_000_000_000n],
    ['12E', 12_000_000_000_000_000_000_000_000_000n],
    ['12e-3', 12_000_000n],
    ['0.1', 100_000_000n],
    ['.5', 500_000_000n],
    ['5.', 5_000_000_000n],
    ['100n', 100n],
    ['0.1n', 1n],
    ['-0.1n', -1n],
    ['-1500m', -1_500_000_000n],
    ['+1', 1_000_000_000n],
    ['8Ei', 9_223_372_036_854_775_808_000_000_000n],
  ];
  for (const [text, expected] of table) t.equal(parseQuantity(text), expected, text);
});

t.test('an invalid quantity is refused in one sentence that names it', async (t) => {
  for (const text of ['', '.', 'Gi', '1 Gi', '1.5GB', '1K', '0x10', '1e', '--1', 'NaN', '1m5', '1Ki3']) {
    t.throws(() => parseQuantity(text), {
      message: `'${text}' is not a quantity such as 250m, 1.5Gi or 1e3.`,
    });
    t.throws(() => cpuMillis(text), { name: 'QuantityError' });
    t.throws(() => bytes(text), { name: 'QuantityError' });
  }
});

t.test('CPU is counted in millicores and all else in units, rounded up', async (t) => {
  t.equal(cpuMillis('0.1'), 100);
  t.equal(cpuMillis('1100u'), 2);
  t.equal(cpuMillis('1n'), 1);
  t.equal(cpuMillis('1k'), 1_000_000);
  t.equal(bytes('0.5'), 1);
  t.equal(bytes('1500m'), 2);
  t.equal(bytes('1M'), 1_000_000);
  t.equal(amount('cpu', '2'), 2000);
  t.equal(amount('nvidia.com/gpu', '2'), 2);
  t.equal(amount('memory', '-1500m'), -1);
});

t.test('an amount that is written is read back the same', async () => {
  fc.assert(
    fc.property(fc.nat(1e9), fc.nat(Number.MAX_SAFE_INTEGER), (millis, size) => {
      return cpuMillis(formatCpu(millis)) === millis && bytes(formatBytes(size)) === size;
    }),
  );
});

const suffixed = fc.tuple(
  fc.nat(1e12),
  fc.option(fc.nat(999_999)),
  fc.constantFrom('', 'm', 'u', 'n', 'k', 'M', 'Ki', 'Mi', 'Gi', 'e3', 'e-3'),
);

t.test('the quick way and the exact way agree', async () => {
  fc.assert(
    fc.property(suffixed, ([whole, fraction, suffix]) => {
      const text = `${whole}${fraction === null ? '' : `.${fraction}`}${suffix}`;
      const exact = parseQuantity(text);
      const millis = (exact + 999_999n) / 1_000_000n;
      const units = (exact + 999_999_999n) / 1_000_000_000n;
      return cpuMillis(text) === Number(millis) && bytes(text) === Number(units);
    }),
  );
});

t.test('quantities add up as decimals do', async () => {
  fc.assert(
    fc.property(fc.nat(1e9), fc.nat(1e9), (a, b) => {
      return parseQuantity(`${a}m`) + parseQuantity(`${b}m`) === parseQuantity(`${a + b}m`);
    }),
  );
});
