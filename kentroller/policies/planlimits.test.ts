import t from 'tap';
import type { AutoscalerPolicySpec } from '../../api/kinds/autoscalerpolicy.ts';
import type { RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE } from '../../api/labels.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import type { Absence } from '../../kube/cache/cache.ts';
import type { PlanningRequest } from '../rebalanceplanclaim/plannerworker.ts';
import * as make from '../testing/builders.ts';
import { ADD, BLUE, checkCases, DELETE, draining, PENDING } from '../testing/decisions.ts';
import { planLimit, withinLimits } from './planlimits.ts';
import { policiesNow } from './settings.ts';

/** clusterLimits.cpu.minCores stops plans of every kind, when they are made and before they move the first pod. */

const limits = (minCores: number): AutoscalerPolicySpec => ({
  enabled: true,
  clusterLimits: { enabled: true, cpu: { minCores } },
});
/** Nodes n1 to n<count> of four cores, each with a NodeClaim c1, c2 and so on. */
const clusterOf = (
  count: number,
  o: { spec?: AutoscalerPolicySpec; absence?: Absence; plans?: RebalancePlan[] } = {},
) => {
  const numbers = Array.from({ length: count }, (_, n) => n + 1);
  const claims = new Map<string, NodeClaim>(
    numbers.map((n) => [`id-${n}`, { ...make.nodeClaim(`c${n}`), status: { providerID: `id-${n}` } }]),
  );
  const nodes: Node[] = numbers.map((n) => ({
    metadata: { name: `n${n}` },
    spec: { providerID: `id-${n}` },
    status: { capacity: { cpu: '4' } },
  }));
  return {
    caches: {
      nodes: { list: () => nodes },
      nodeClaims: { by: (_: string, id: string) => [claims.get(id)].flatMap((claim) => claim ?? []) },
      plans: { list: () => o.plans ?? [] },
    } as unknown as Parameters<typeof planLimit>[0]['caches'],
    policies: () =>
      policiesNow(
        {
          object: o.spec && { metadata: { name: 'default' }, spec: o.spec },
          absence: o.absence,
          hasSynced: true,
        },
        {},
      ),
  };
};
const deleting = (...names: readonly string[]): RebalancePlanSpec => ({
  execute: true,
  nodeClaimsToDelete: names.map((nodeClaimName) => ({ nodeClaimName })),
});
const adding = (type: string): RebalancePlanSpec['nodeClaimsToAdd'] => [
  {
    metadata: { name: 'new' },
    spec: { nodeClassRef: { group: 'g', kind: 'k', name: 'n' }, requirements: [] },
    alternatives: [
      { requirements: [{ key: INSTANCE_TYPE, operator: 'In', values: [type] }], priceHourly: '1' },
    ],
  },
];
const SAVINGS = {
  projectedSavingsPercent: '1',
  projectedSavingsCostMonthly: '1',
  currentMonthlyCost: '2',
  projectedMonthlyCost: '1',
};
const NO_TYPES = { instanceTypes: [] };
const CATALOGUE = { instanceTypes: [{ name: 'm.xlarge', capacity: { cpu: 4_000 } }] };
/** Asks for plans of a planner that deletes as many of c1 to c6 as it may, and adds what it is told. */
const ask = async (cluster: ReturnType<typeof clusterOf>, add?: RebalancePlanSpec['nodeClaimsToAdd']) => {
  const asked: (number | undefined)[] = [];
  const planning = withinLimits(async ({ constraints }) => {
    const most = constraints?.maxNodes ?? 6;
    asked.push(constraints?.maxNodes);
    const names = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6'].slice(0, most);
    const spec = { ...deleting(...names), ...(add && { nodeClaimsToAdd: add }) };
    return { plan: { spec, savings: SAVINGS }, selectedNodes: [], skippedNodes: [] };
  }, cluster);
  const request = { catalogue: CATALOGUE, planName: 'p' } as unknown as PlanningRequest;
  const answer = await planning(request, 1_000, new AbortController().signal);
  return { asked, reason: answer.reason, deleted: answer.plan?.spec.nodeClaimsToDelete?.length };
};

t.test('no plan makes the cluster smaller than minCores; downscaling goes as far as it may', async (t) => {
  t.match(await ask(clusterOf(8)), { deleted: 6, asked: [undefined] }, 'without limits');
  t.match(await ask(clusterOf(8, { spec: limits(8) })), { deleted: 6 });
  t.match(await ask(clusterOf(8, { spec: limits(9) })), { deleted: 3, asked: [undefined, 3] });
  t.match(await ask(clusterOf(8, { spec: limits(25) })), { deleted: 1, asked: [undefined, 3, 1] });
  const none = await ask(clusterOf(8, { spec: limits(32) }));
  t.match(none, {
    deleted: undefined,
    reason: /would have 28 cores, and clusterLimits\.cpu\.minCores is 32/,
  });
});

t.test('machines that a plan adds count, and nodes of plans that run do not', async (t) => {
  const cluster = clusterOf(8, { spec: limits(12) });
  t.match(await ask(cluster, adding('m.xlarge')), { deleted: 6 });
  t.match(await ask(cluster, adding('of no known size')), { deleted: 3 });
  const running = { ...make.plan(deleting('c8')), status: { state: 'Running' } } as RebalancePlan;
  t.match(await ask(clusterOf(8, { spec: limits(8), plans: [running] })), { deleted: 3 });
});

t.test('while nobody knows the limits no plan makes the cluster smaller', async (t) => {
  const unknown = await ask(clusterOf(8, { absence: 'forbidden' }));
  t.match(unknown, { deleted: undefined, reason: /grant list and watch on autoscalerpolicies/ });
});

t.test('the limit is asked again at the act', async (t) => {
  const limitOf = planLimit(clusterOf(3, { spec: limits(8) }));
  const plan = (...names: string[]) => make.plan(deleting(...names));
  t.equal(limitOf(plan('c1'), NO_TYPES), undefined);
  t.match(limitOf(plan('c1', 'c2'), NO_TYPES), { isKnown: true, message: /would have 4 cores/ });
  t.equal(planLimit(clusterOf(3))(plan('c1', 'c2', 'c3'), NO_TYPES), undefined, 'no limit');
});

const belowLimit = {
  isKnown: true,
  message: 'without it the cluster would have 4 cores, and clusterLimits.cpu.minCores is 8',
};
const unknown = { isKnown: false, message: 'AutoscalerPolicies have not been read yet' };
t.test('limits that nobody knows are told apart from limits that forbid', async (t) => {
  const limitOf = planLimit(clusterOf(3, { absence: 'forbidden' }));
  t.match(limitOf(make.plan(deleting('c1')), NO_TYPES), { isKnown: false, message: /may not be read/ });
});

checkCases([
  [
    'a plan that only drains waits for the limit',
    PENDING,
    { ...BLUE, belowLimit },
    ['wait-to-start ClusterLimit'],
  ],
  [
    'a plan that has moved nothing yet ends, and gives back what it bought',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, belowLimit },
    ['fail Creation FailureReasonClusterLimit'],
  ],
  [
    'a plan that has begun to move is carried to its end',
    make.plan(DELETE, draining(), 'PinsReady'),
    { ...BLUE, belowLimit },
    ['cordon node-blue'],
  ],
  [
    'a plan that has moved nothing yet waits while nobody knows the limits, with all that it bought',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, belowLimit: unknown },
    ['close node-blue', 'wait-in-phase PoliciesUnknown'],
  ],
  [
    'no plan that deletes starts while nobody knows the limits',
    PENDING,
    { ...BLUE, belowLimit: unknown },
    ['wait-to-start PoliciesUnknown'],
  ],
  [
    'nor does one that adds: it orders nothing',
    { ...make.plan({ ...DELETE, ...ADD }), status: {} },
    { ...BLUE, belowLimit: unknown },
    ['wait-to-start PoliciesUnknown'],
  ],
  [
    'a plan that has begun to move goes on whatever is not known',
    make.plan(DELETE, draining(), 'PinsReady'),
    { ...BLUE, belowLimit: unknown },
    ['cordon node-blue'],
  ],
]);
