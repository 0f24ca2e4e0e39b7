import t from 'tap';
import { NOW, nodeClaim } from '../../testing/builders.ts';
import { RecentOrders } from './recentorders.ts';
import type { Step } from './step.ts';

const order = (name: string): Step => ({
  kind: 'create-claim',
  attempt: { planned: name, claimName: name, instanceType: '', capacityType: '', zone: '' },
  claim: nodeClaim(name),
  reason: '',
  message: '',
});
const namesIn = (orders: RecentOrders, cached: readonly string[], now = NOW): readonly string[] =>
  orders
    .withOrdered(
      cached.map((name) => nodeClaim(name)),
      now,
    )
    .map(({ metadata }) => metadata.name);

t.test('an order counts until the cache shows it', async (t) => {
  const orders = new RecentOrders();
  orders.record([order('a'), order('b')], NOW);
  t.same(namesIn(orders, ['x']), ['x', 'a', 'b']);
  t.same(namesIn(orders, ['x', 'a']), ['x', 'a', 'b']);
  t.same(namesIn(orders, ['x']), ['x', 'b'], 'one that the cache has shown and lost is gone');
});

t.test('an order whose write failed does not count', async (t) => {
  const orders = new RecentOrders();
  orders.record([order('a')], NOW);
  orders.forget(order('a'));
  t.same(namesIn(orders, []), []);
});

t.test('an order that the cache never shows is forgotten', async (t) => {
  const orders = new RecentOrders();
  orders.record([order('a')], NOW);
  t.same(namesIn(orders, [], NOW + 30_000), ['a']);
  t.same(namesIn(orders, [], NOW + 30_001), []);
});
