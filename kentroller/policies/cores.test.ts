import t from 'tap';
import { consolidationOwner, ownerMark } from '../../api/identity/ownermark.ts';
import type { RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { IN_USE_BY, INSTANCE_TYPE } from '../../api/labels.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { PlanningRequest } from '../rebalanceplanclaim/plannerworker.ts';
import * as make from '../testing/builders.ts';
import { ADD, BLUE, checkCases, DELETE } from '../testing/decisions.ts';
import { clusterLimitNow } from '../unscheduledpods/start.ts';
import { planLimit, withinLimits } from './planlimits.ts';
import type { PoliciesNow } from './settings.ts';

/** One count of cores for whoever makes the cluster smaller, when it is planned and at the act. */

const CATALOGUE = { instanceTypes: [{ name: 'm.xlarge', capacity: { cpu: 4_000 } }] } as unknown as Catalogue;
const MUST_GO = { reason: 'Expiry', maxPricePercent: 100 } as const;

/** Nodes n1 to n4 of four cores, each with a NodeClaim c1 to c4, and minCores. */
const clusterOf = (
  minCores: number,
  changes: Readonly<Record<string, Partial<NodeClaim['metadata']>>> = {},
) => {
  const claims = [1, 2, 3, 4].map((n): NodeClaim => {
    const claim = make.nodeClaim(`c${n}`);
    const metadata = { ...claim.metadata, uid: `uid-c${n}`, ...changes[`c${n}`] };
    return { ...claim, metadata, status: { providerID: `id-${n}` } };
  });
  const nodes = claims.map(
    (_, n): Node => ({
      metadata: { name: `n${n + 1}` },
      spec: { providerID: `id-${n + 1}` },
      status: { capacity: { cpu: '4' } },
    }),
  );
  const known = {
    known: true,
    policies: { clusterLimits: { minCores } },
  } as unknown as PoliciesNow;
  return {
    caches: {
      nodes: { list: () => nodes },
      nodeClaims: {
        by: (_: string, id: string) => claims.filter(({ status }) => status?.providerID === id),
      },
      plans: { list: () => [] },
    } as unknown as Parameters<typeof planLimit>[0]['caches'],
    policies: () => known,
  };
};
const deleting = (
  names: readonly string[],
  mustGo: readonly string[] = [],
): Pick<RebalancePlanSpec, 'nodeClaimsToDelete' | 'execute'> => ({
  execute: true,
  nodeClaimsToDelete: names.map((nodeClaimName) => ({
    nodeClaimName,
    ...(mustGo.includes(nodeClaimName) && { mustGo: MUST_GO }),
  })),
});
const NEW: NonNullable<RebalancePlanSpec['nodeClaimsToAdd']>[number] = {
  metadata: { name: 'new' },
  spec: { nodeClassRef: { group: 'g', kind: 'k', name: 'n' }, requirements: [] },
  alternatives: [
    { requirements: [{ key: INSTANCE_TYPE, operator: 'In', values: ['m.xlarge'] }], priceHourly: '1' },
  ],
};

t.test('a node that node consolidation has marked does not count as staying for a plan', async (t) => {
  const owner = consolidationOwner({ metadata: { name: 'c4', uid: 'uid-c4' } });
  const limitOf = planLimit(clusterOf(12, { c4: { annotations: { [IN_USE_BY]: ownerMark(owner) } } }));
  t.match(limitOf(make.plan(deleting(['c1'])), CATALOGUE), { isKnown: true, message: /would have 8 cores/ });
  t.equal(planLimit(clusterOf(12))(make.plan(deleting(['c1'])), CATALOGUE), undefined, 'without the mark');
});

t.test(
  'a node that goes in any case lifts the limit for itself, and for no other node of its plan',
  async (t) => {
    const limitOf = planLimit(clusterOf(12));
    t.equal(limitOf(make.plan(deleting(['c1', 'c2'], ['c1', 'c2'])), CATALOGUE), undefined);
    t.match(limitOf(make.plan(deleting(['c1', 'c2'], ['c1'])), CATALOGUE), { message: /would have 8 cores/ });
    const asked: PlanningRequest[] = [];
    const planning = withinLimits(async (request) => {
      asked.push(request);
      const names = request.scope ? ['c1'] : ['c1', 'c2'].slice(0, request.constraints?.maxNodes ?? 2);
      const savings = {
        projectedSavingsPercent: '1',
        projectedSavingsCostMonthly: '1',
        currentMonthlyCost: '2',
        projectedMonthlyCost: '1',
      };
      return { plan: { spec: deleting(names, ['c1']), savings }, selectedNodes: [], skippedNodes: [] };
    }, clusterOf(14));
    const request = { catalogue: CATALOGUE, mustGo: { n1: MUST_GO } } as unknown as PlanningRequest;
    const answer = await planning(request, 1_000, new AbortController().signal);
    t.same(
      answer.plan?.spec.nodeClaimsToDelete?.map(({ nodeClaimName }) => nodeClaimName),
      ['c1'],
    );
  },
);

t.test('a plan that adds machines is asked at its start, and what it is to order counts', async (t) => {
  const limitOf = planLimit(clusterOf(12));
  const both = { ...deleting(['c1', 'c2']), nodeClaimsToAdd: [NEW] };
  t.equal(limitOf(make.plan(both), CATALOGUE), undefined, '8 cores stay and 4 come');
  const three = { ...deleting(['c1', 'c2', 'c3']), nodeClaimsToAdd: [NEW] };
  t.match(limitOf(make.plan(three), CATALOGUE), { isKnown: true, message: /would have 8 cores/ });
  const ordered: RebalancePlan = {
    ...make.plan(both),
    status: {
      nodesCreation: { new: { attempts: [{ nodeClaimName: 'new', status: 'Pending' }] } },
    } as unknown as NonNullable<RebalancePlan['status']>,
  };
  t.match(
    limitOf(ordered, CATALOGUE),
    { message: /would have 8 cores/ },
    'once ordered, it counts when it stands',
  );
});

const belowLimit = { isKnown: true, message: 'without it the cluster would have 4 cores' };
checkCases([
  [
    'a plan that adds waits for the limit before it orders anything',
    { ...make.plan({ ...DELETE, ...ADD }), status: {} },
    { ...BLUE, belowLimit },
    ['wait-to-start ClusterLimit'],
  ],
  [
    'while nobody ever knew how many cores there may be, nothing is ordered',
    make.plan(ADD),
    { knowsLimits: false },
    ['wait-in-phase PoliciesUnknown'],
  ],
]);

t.test('the most cores are what was known last, and not known before that', async (t) => {
  let now: PoliciesNow = { known: false, reason: 'PoliciesNotRead', message: 'not read yet' };
  const limit = clusterLimitNow(() => now);
  t.equal(limit.isKnown(), false);
  now = {
    known: true,
    policies: { clusterLimits: { minCores: 0, maxCores: 9 } },
  } as unknown as PoliciesNow;
  t.equal(limit.isKnown(), true);
  now = { known: false, reason: 'PoliciesForbidden', message: 'not allowed' };
  t.same([limit.isKnown(), limit.maxCores()], [true, 9]);
});
