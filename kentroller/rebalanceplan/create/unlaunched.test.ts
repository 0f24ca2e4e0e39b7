import t from 'tap';
import { PLAN } from '../../../api/labels.ts';
import type { NodeClaim } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { BLUE, checkCases, DELETE } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import { RecentOrders, readUnderWay } from '../state/recentorders.ts';
import type { ExecutionState } from '../state/state.ts';

/** Karpenter does nothing else while a NodeClaim has no machine (karpenter#3198): few of them at a time. */

const { limits } = make.executionState(make.plan());
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const PLANNED = make.plan({ ...DELETE, nodeClaimsToAdd: NAMES.map((name) => make.toAdd(name)) });
const cheap = (unlaunched: number, most: number): Partial<ExecutionState> => ({
  ...BLUE,
  unlaunched,
  limits: { ...limits, maxUnlaunchedNodeClaims: most },
});
const FREE = make.plan({ nodeClaimsToAdd: NAMES.map((name) => make.toAdd(name)) });
const ordersOf = (state: Partial<ExecutionState>): number =>
  decide(make.executionState(FREE, state)).steps.filter(({ kind }) => kind === 'create-claim').length;

t.test('no more NodeClaims are ordered than may wait for their machines', async (t) => {
  t.equal(ordersOf(cheap(0, 10)), 5);
  t.equal(ordersOf(cheap(0, 2)), 2);
  t.equal(ordersOf(cheap(8, 10)), 2, 'those of other plans count');
  t.equal(ordersOf(cheap(10, 10)), 0);
  t.equal(ordersOf(cheap(12, 10)), 0);
  const { steps } = decide(make.executionState(FREE, cheap(10, 10)));
  t.match(steps, [
    { kind: 'wait-in-phase', reason: 'WaitingForLaunches', message: /^10 NodeClaims .* 10 may/ },
  ]);
});

checkCases([
  [
    'a plan that is too dear fails, and does not wait for launches',
    PLANNED,
    cheap(10, 10),
    ['fail Creation FailureReasonInsufficientSavings'],
  ],
]);

t.test('NodeClaims of plans without a machine are counted, just ordered ones too', async (t) => {
  const claim = (
    name: string,
    o: { readonly plan?: string; readonly id?: string; readonly ends?: boolean },
  ) =>
    ({
      metadata: {
        name,
        ...(o.plan && { labels: { [PLAN]: o.plan } }),
        ...(o.ends && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
      },
      spec: { requirements: [] },
      status: o.id ? { providerID: o.id } : {},
    }) as unknown as NodeClaim;
  const cached = [
    claim('waits', { plan: 'p' }),
    claim('of-another-plan', { plan: 'q' }),
    claim('launched', { plan: 'p', id: 'aws:///1' }),
    claim('ends', { plan: 'p', ends: true }),
    claim('of-karpenter', {}),
  ];
  const empty = { list: () => [] };
  const caches = {
    nodePools: empty,
    nodes: empty,
    nodeClaims: { list: () => cached },
  } as unknown as Parameters<typeof readUnderWay>[0]['caches'];
  const orders = new RecentOrders();
  const count = () => readUnderWay({ caches, orders }, { offerings: undefined, now: 0 }).unlaunched;
  t.equal(count(), 2);
  const [step] = decide(make.executionState(FREE, cheap(0, 1))).steps;
  if (step) orders.record([step], 0);
  t.equal(count(), 3, 'a second plan sees the order of the first before the cache does');
});
