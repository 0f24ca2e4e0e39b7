import fc from 'fast-check';
import t from 'tap';
import { amount, cpuMillis, parseQuantity, wholeUnits } from './quantity.ts';
import { cpuMillisOf } from './testing/work.ts';

/** Requests of pods that the API server takes: none stops or slows whoever reads it. */

const ONES = '1'.repeat(1_000_000);

const ATTACKS: readonly [string, string, number][] = [
  ['an exponent of four digits', '1e9999', 1e30],
  ['an exponent of five', '1e99999', 1e30],
  ['an exponent of nine', '1e999999999', 1e30],
  ['an exponent beyond numbers', `1e${'9'.repeat(400)}`, 1e30],
  ['next to nothing', '1e-99999', 1],
  ['less than that', `1e-${'9'.repeat(400)}`, 1],
  ['nothing, often', '0e999999999', 0],
  ['a million digits', ONES, 1e30],
  ['a million digits of Ei', `${ONES}Ei`, 1e30],
  ['a million digits that are small', `${ONES}e-999990`, 1_111_111_112],
  ['a million zeros before a digit', `0.${'0'.repeat(1_000_000)}1`, 1],
  ['a million digits behind the point', `1.${ONES}`, 2],
];

for (const [name, text, value] of ATTACKS) {
  t.test(`${name} costs nothing and is a number`, async (t) => {
    const work = cpuMillisOf(() => {
      for (let i = 0; i < 5; i++) t.equal(wholeUnits(text), value);
    });
    t.ok(work < 1000, `${work} CPU ms for five`);
    t.ok(Number.isFinite(amount('cpu', text) * 150_000), 'as many pods as there are can be added up');
  });
}

t.test('what is no quantity is not repeated at full length', async (t) => {
  t.throws(() => parseQuantity(`${ONES}x`), { message: /^'1{40}…' is not a quantity/ });
});

t.test('a limit that is a number in its NodePool is read', async (t) => {
  t.equal(wholeUnits(10_000_000_000_000 as unknown as string), 1e13);
  t.equal(cpuMillis(1000 as unknown as string), 1_000_000);
});

t.test('long quantities are as exact as short ones', async () => {
  const model = (digits: bigint, places: number): bigint => {
    const [size, unit] = [digits * 1_000_000_000n, 10n ** BigInt(places)];
    return size / unit + (size % unit === 0n ? 0n : 1n);
  };
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 40n), fc.nat(40), fc.nat(50), (digits, places, zeros) => {
      const text = digits.toString().padStart(places + 1, '0');
      const at = text.length - places;
      const read = parseQuantity(`${'0'.repeat(zeros)}${text.slice(0, at)}.${text.slice(at)}`);
      const most = 10n ** 39n;
      const exact = model(digits, places);
      if (read !== (exact > most ? most : exact)) throw new Error(`${read} is not ${exact}`);
    }),
    { seed: 14, numRuns: 2000 },
  );
});
