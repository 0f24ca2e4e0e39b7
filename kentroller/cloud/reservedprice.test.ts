import t from 'tap';
import * as make from '../testing/builders.ts';

t.test('a machine of a reservation has its price while nobody knows what is left of it', async (t) => {
  const offerings = make.offerings(make.PRICES);
  t.equal(offerings.price('m5.large', 'us-west-2a', 'reserved', undefined), 0.1 / 10_000_000);
  t.equal(offerings.priceOf(make.machineLabels('m5.large/us-west-2a/reserved')), 0.1 / 10_000_000);
  t.equal(offerings.price('m5.large', 'us-west-2b', 'reserved', undefined), undefined);
});
