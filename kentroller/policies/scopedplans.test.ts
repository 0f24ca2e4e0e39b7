import t from 'tap';
import type { RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { MANAGED_BY, MANAGED_BY_US, SCOPED_TAINT } from '../../api/labels.ts';
import type { Taint } from '../../api/objects.ts';
import { NODE_CLAIMS, NODE_POOLS, NODES, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { createLogger } from '../../kube/component/log.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { verifyPlan } from '../../planner/plan/verify.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { makeNode, makePod, makePool } from '../../planner/testing/builders.ts';
import { machines } from '../../planner/testing/smallworld.ts';
import { runCycle } from '../continuous/run.ts';
import { replaceExpiringNow } from '../mustgo/replaceexpiring.ts';
import { restoreSpotNow } from '../mustgo/restorespot.ts';
import type { Planning, PlanningRequest } from '../rebalanceplanclaim/plannerworker.ts';
import { planInParts } from '../rebalanceplanclaim/planparts.ts';
import { gatherSnapshot } from '../snapshot.ts';
import { decidePredictions } from '../spotprediction/decide.ts';
import { memoryCaches } from '../testing/memorycaches.ts';
import { PREDICTION } from '../testing/spotworld.ts';
import { scopeHold } from './scopehold.ts';
import { type PoliciesNow, policiesNow } from './settings.ts';

/**
 * Scoped mode and the plans that are no purchases, by the real planner: whose nodes they replace, and what the nodes carry that they
 * buy. Purchases are in ../unscheduledpods/scoped.test.ts.
 */

const NOW = Date.parse('2026-01-01T01:00:00Z');
const TAINT: Taint = { key: SCOPED_TAINT, effect: 'NoSchedule' };
const SCOPED = { [SCOPED_TAINT]: 'true', [MANAGED_BY]: MANAGED_BY_US };
const SPEC = {
  nodeSelector: { [MANAGED_BY]: MANAGED_BY_US },
  tolerations: [{ key: SCOPED_TAINT, operator: 'Exists' as const, effect: 'NoSchedule' as const }],
};
const log = createLogger({ component: 'scoped-test', level: 'silent' });
const { signal } = new AbortController();

const POLICIES: Readonly<Record<'on' | 'off' | 'unknown', PoliciesNow>> = {
  on: policiesNow(
    {
      object: { metadata: { name: 'default' }, spec: { enabled: true, isScopedMode: true } },
      absence: undefined,
      hasSynced: true,
    },
    {},
  ),
  off: policiesNow({ object: undefined, absence: undefined, hasSynced: true }, {}),
  unknown: { known: false, reason: 'PoliciesNotRead', message: 'nobody knows the policies' },
};
type Mode = keyof typeof POLICIES;

/** A large node of scoped mode and one outside of it, each with one small pod, and both near their end. */
const world = () => {
  const api = new MemoryApi({ now: () => NOW });
  const pool = makePool();
  api.create(NODE_POOLS, { ...pool, spec: { ...pool.spec, disruption: { budgets: [{ nodes: '100%' }] } } });
  const big = { type: 'm5.4xlarge', cpu: 15_900, memory: 60_000 };
  for (const [name, o] of [
    ['scoped', { ...big, labels: SCOPED, taints: [TAINT] }],
    ['plain', big],
  ] as const) {
    const { node, claim } = makeNode(name, o);
    api.create(NODES, node);
    const condition = { type: 'Consolidatable', status: 'True' as const };
    const status = { ...claim.status, conditions: [condition] };
    api.create(NODE_CLAIMS, { ...claim, spec: { ...claim.spec, expireAfter: '50m' } });
    api.patch(NODE_CLAIMS, { name: claim.metadata.name }, { status }, { subresource: 'status' });
    const pod = makePod(`of-${name}`, {
      node: name,
      app: name,
      cpu: 1_000,
      ...(name === 'scoped' && { spec: SPEC }),
    });
    api.create(PODS, pod);
    const ref = { name: pod.metadata.name, namespace: 'default' };
    api.patch(PODS, ref, { status: { phase: 'Running' } }, { subresource: 'status' });
  }
  const { caches, lagging } = memoryCaches(api);
  const catchUp = () => {
    for (const cache of lagging) cache.relist();
  };
  catchUp();
  const refused: string[] = [];
  const planning: Planning = async (request) => {
    const answer = rebalance({ ...request, rounds: 50 });
    const { snapshot, catalogue, mustGo } = request;
    const faults = answer.plan ? verifyPlan(snapshot, catalogue, answer.plan.spec, mustGo) : [];
    refused.push(...faults.map(({ message }) => message));
    return answer;
  };
  return { api, caches, catchUp, planning, refused, client: memoryClient(api, async (_, serve) => serve()) };
};
type World = ReturnType<typeof world>;

const searching = (w: World, mode: Mode) => ({
  client: w.client,
  caches: w.caches,
  catalogue: async () => machines,
  planning: w.planning,
  policies: () => POLICIES[mode],
  timeBudgetMs: () => 1_000,
  surgeByDefault: false,
  recorder: { event: () => {} } as never,
  audit: { note: () => {} },
  log,
  clock: { now: () => NOW },
  signal,
});

const claimFor =
  (...nodeNames: readonly string[]) =>
  async (w: World): Promise<readonly RebalancePlanSpec[]> => {
    const request: PlanningRequest = {
      snapshot: gatherSnapshot(w.caches),
      catalogue: machines,
      now: NOW,
      seed: 1,
      planName: 'plan',
      ...(nodeNames.length > 0 && { scope: { nodeNames: [...nodeNames] } }),
    };
    const planNameOf = (part: number): string => `plan-${part}`;
    const { plans } = await planInParts(request, {
      planning: w.planning,
      planNameOf,
      timeoutMs: 60_000,
      now: () => NOW,
      signal,
    });
    return plans.map(({ spec }) => spec);
  };
const stored = (w: World): readonly RebalancePlanSpec[] =>
  w.api.list(REBALANCE_PLANS).map(({ spec }: RebalancePlan) => spec);

const CONTINUOUS = {
  enabled: true,
  mode: 'full',
  minNodeAgeMs: 0,
  minNodes: 1,
  maxNodes: 10,
  moveWeight: 0,
  thresholdPercent: 1,
  thresholdMonthly: 1,
  podMoveCooldownMs: 0,
  failureBackoffMs: 1_000,
  aggressive: {},
} as const;
const continuous = async (w: World, mode: Mode) => {
  const o = { ...searching(w, mode), settings: () => CONTINUOUS, pollingPeriodMs: () => 5 };
  await runCycle(o);
  return stored(w);
};
const expiry = async (w: World, mode: Mode) => {
  const settings = { enabled: true, leadMs: 3_600_000, maxNodes: 5, maxPricePercent: 120 };
  // Late in the window before the end, so that both are due.
  const clock = { now: () => NOW + 45 * 60_000 };
  await replaceExpiringNow({ ...searching(w, mode), clock }, settings);
  return stored(w);
};

/** What plans replace with what: 'node -> labels and taints of what is bought'. */
const replacements = (w: World, specs: readonly RebalancePlanSpec[]): readonly string[] =>
  specs
    .flatMap((spec) => {
      const gone = (spec.nodeClaimsToDelete ?? []).map(({ nodeClaimName }) =>
        nodeClaimName.replace('claim-', ''),
      );
      const kinds = (spec.nodeClaimsToAdd ?? []).map(({ metadata, spec: { taints = [] } }) => {
        const isTainted = (taints as readonly Taint[]).some(({ key }) => key === SCOPED_TAINT);
        const isLabelled = Object.entries(SCOPED).every(([key, value]) => metadata.labels?.[key] === value);
        return isTainted && isLabelled ? 'scoped' : isTainted || isLabelled ? 'half' : 'plain';
      });
      return [`${gone.join('+')} -> ${kinds.join('+')}`];
    })
    .concat(w.refused)
    .toSorted();

const BOTH = ['plain -> plain', 'scoped -> scoped'];
/** Kind of plan, how it is made, and what it replaces by the mode. */
const CASES: readonly (readonly [
  string,
  (w: World, mode: Mode) => Promise<readonly RebalancePlanSpec[]>,
  Partial<Record<Mode, readonly string[]>>,
])[] = [
  ['a claim or schedule for all nodes', claimFor(), { off: BOTH }],
  ['one for nodes of scoped mode', claimFor('scoped'), { off: ['scoped -> scoped'] }],
  ['one for others', claimFor('plain'), { off: ['plain -> plain'] }],
  ['the continuous cycle', continuous, { off: BOTH, on: ['scoped -> scoped'], unknown: [] }],
  ['replacement before expiry', expiry, { off: BOTH, on: ['scoped -> scoped'], unknown: [] }],
];
for (const [kind, make, expected] of CASES) {
  for (const [mode, plans] of Object.entries(expected)) {
    t.test(`${kind}, scoped mode ${mode}: ${plans.join(', ') || 'nothing'}`, async (t) => {
      const w = world();
      t.same(replacements(w, await make(w, mode as Mode)), plans);
    });
  }
}

t.test(
  'a node outside of scoped mode is neither marked as a stand-in for spot nor tried again',
  async (t) => {
    const ask = { nodeSelector: { 'scheduling.cast.ai/spot': 'true' } };
    const outcomes: Record<string, readonly string[]> = {};
    for (const mode of ['on', 'off'] as const) {
      const w = world();
      const requirements = [
        { key: 'karpenter.sh/capacity-type', operator: 'In' as const, values: ['spot', 'on-demand'] },
      ];
      w.api.patch(NODE_POOLS, { name: 'default' }, { spec: { template: { spec: { requirements } } } });
      for (const pod of w.api.list(PODS)) {
        const { name, namespace = '' } = pod.metadata;
        w.api.patch(
          PODS,
          { name, namespace },
          { spec: { nodeSelector: { ...pod.spec.nodeSelector, ...ask.nodeSelector } } },
        );
      }
      w.catchUp();
      const now = POLICIES[mode];
      const spotInstances = {
        interruptionTolerance: 'costEfficient',
        backups: { restoreEveryMs: 60_000 },
        diversity: undefined,
      } as const;
      const policies = (): PoliciesNow =>
        now.known ? { ...now, policies: { ...now.policies, spotInstances } } : now;
      const record = { note: () => {}, did: () => {} };
      await restoreSpotNow({ ...searching(w, mode), policies, record, isEnabled: () => true });
      outcomes[mode] = w.api
        .list(NODES)
        .filter(({ metadata }) => metadata.labels?.['scheduling.cast.ai/spot-fallback'] === 'true')
        .map(({ metadata }) => metadata.name)
        .toSorted();
    }
    t.same(outcomes, { on: ['scoped'], off: ['plain', 'scoped'] });
  },
);

t.test('a spot node at risk outside of scoped mode waits, and keeps none of it from going', async (t) => {
  const nodes = (['plain', 'scoped'] as const).map((name) => {
    const taints = name === 'scoped' ? [TAINT] : [];
    const prediction = { node: name, model: 'm', probability: name === 'plain' ? 0.9 : 0.6 };
    const made = makeNode(name, { capacityType: 'spot', taints });
    return { ...made, heard: {}, predictions: [], prediction };
  });
  const { replace, deferred } = decidePredictions(PREDICTION, {
    nodes,
    allNodes: nodes.map(({ node }) => node),
    claims: [],
    plans: [],
    haltedBy: undefined,
    heldBy: (node) => scopeHold(POLICIES.on, node),
    now: NOW,
  });
  t.same(replace, ['scoped']);
  t.match(deferred, [{ node: { metadata: { name: 'plain' } }, reason: /scoped mode is on/ }]);
});
