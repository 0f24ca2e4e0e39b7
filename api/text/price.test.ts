import t from 'tap';
import { decimal } from '../kinds/schema.ts';
import { formatPrice } from './price.ts';

t.test('every price is written as the CRDs have it, and read back as it was', async (t) => {
  for (const price of [0.192, 0.1234567, 3.06, 12.24, 1e-6, 1.92e-8, 1e-8, 2.6e-10, 0, -0.05, 32.7726]) {
    const text = formatPrice(price);
    t.ok(decimal.safeParse(text).success, text);
    t.ok(Math.abs(Number(text) - price) <= 1e-9 * Math.abs(price), `${price} as ${text}`);
  }
});

t.test('what sums are off by is not told', async (t) => {
  t.equal(formatPrice(0.1 + 0.2), '0.3');
  t.equal(formatPrice(1.92e-8), '0.0000000192');
  t.equal(formatPrice(1e-30), '0');
  t.equal(formatPrice(-1e-30), '0');
});
