import t from 'tap';
import { HOURS_PER_MONTH } from '../../api/labels.ts';
import { savedPercent } from './savings.ts';

const RESERVED = 1 / 10_000_000;

t.test('no percentage is told of reserved machines, whatever their real price', async (t) => {
  const onDemand = { 'm5.large': 0.096, '20 m5.24xlarge': 20 * 4.608, 'p5.48xlarge': 98.32 };
  for (const [machines, hourly] of Object.entries(onDemand)) {
    const monthly = hourly * HOURS_PER_MONTH;
    t.equal(savedPercent(monthly * RESERVED, monthly), 0, machines);
    t.equal(savedPercent(hourly * RESERVED, hourly), 0, `${machines}, by the hour`);
  }
  const mixed = 0.0042 + 98.32 * RESERVED;
  t.equal(savedPercent(mixed, 98.32), 0, 'beside the smallest machine');
});

t.test('what may be spent in the place of a node is told in percent', async (t) => {
  t.equal(savedPercent(0, 5), 0);
  t.equal(savedPercent(10, 8), 20);
  t.equal(savedPercent(10, 12), -20);
  t.equal(savedPercent(10, 100), -900, 'ten times the price');
  t.equal(savedPercent(98.32 * RESERVED, 0), 100);
});
