import t from 'tap';
import { executionState, NOW, nodeClaim, nodePool, plan, toAdd } from '../../testing/builders.ts';
import { decide } from '../decide.ts';
import { RecentOrders, readUnderWay } from './recentorders.ts';
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

t.test('two plans that decide one after the other never both order the last machine', async (t) => {
  const orders = new RecentOrders();
  const limited = { ...nodePool(), spec: { ...nodePool().spec, limits: { cpu: '3' } } };
  const caches = {
    nodePools: { list: () => [limited] },
    nodes: { list: () => [] },
    nodeClaims: { list: () => [] },
  } as unknown as Parameters<typeof readUnderWay>[0]['caches'];
  const passOf = (name: string): readonly string[] => {
    const buys = {
      nodeClaimsToAdd: [toAdd(name, [['m5.large']])],
      podsToMigrate: [{ name: 'p', namespace: 'shop', srcNode: '', dstNodeClaimName: name }],
    };
    const state = executionState(plan(buys), { nodePools: new Map([['general', limited]]) });
    const { steps } = decide({ ...state, poolUsage: readUnderWay({ caches, orders }, state).poolUsage });
    orders.record(steps, NOW);
    return steps.map((step) => (step.kind === 'fail' ? step.failureReason : step.kind));
  };
  t.same(passOf('one'), ['create-claim']);
  t.same(passOf('two'), ['FailureReasonNodePoolLimit']);
});

t.test(
  'two plans that decide one after the other never pass the cores of the cluster together',
  async (t) => {
    const orders = new RecentOrders();
    const caches = {
      nodePools: { list: () => [nodePool()] },
      nodes: { list: () => [] },
      nodeClaims: { list: () => [] },
    } as unknown as Parameters<typeof readUnderWay>[0]['caches'];
    const passOf = (name: string, max: number): readonly string[] => {
      const buys = {
        nodeClaimsToAdd: [toAdd(name, [['m5.large']])],
        podsToMigrate: [{ name: 'p', namespace: 'shop', srcNode: '', dstNodeClaimName: name }],
      };
      const state = executionState(plan(buys), { nodePools: new Map([['general', nodePool()]]) });
      const { steps } = decide({ ...state, ...readUnderWay({ caches, orders, maxCores: () => max }, state) });
      orders.record(steps, NOW);
      return steps.map((step) => (step.kind === 'fail' ? step.failureReason : step.kind));
    };
    t.same(passOf('one', 3), ['create-claim']);
    t.same(passOf('two', 3), ['FailureReasonClusterLimit']);
    t.same(passOf('two', 4), ['create-claim'], 'a raised limit counts at once');
  },
);
