import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { NodeClaim } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { makeNode, makePod } from '../../planner/testing/builders.ts';
import type { Caches } from '../caches.ts';
import { MADE_BY } from '../continuous/decide.ts';
import type { PlanSearchOptions } from '../plansearch.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { runCycle } from './cycle.ts';
import { EVICTOR } from './moves.ts';
import { type EvictorSettings, evictorSettings } from './settings.ts';

/** What is under way when the evictor is turned off, or told to drain nothing. */

const NOW = Date.parse('2026-11-30T12:00:00Z');
const CLAIM: NodeClaim = {
  metadata: { name: 'claim-a' },
  spec: { nodeClassRef: { group: 'g', kind: 'k', name: 'n' }, requirements: [] },
  status: { nodeName: 'a' },
};
const listOf = <T>(items: readonly T[]) => ({ list: () => items, get: () => undefined, by: () => items });

const ON = evictorSettings(undefined, { evictor: { enabled: true, aggressiveMode: true } });
const OFF: Readonly<Record<string, EvictorSettings>> = {
  'turned off': { ...ON, enabled: false },
  'told to try only': { ...ON, dryRun: true },
};

const optionsOf = (
  plans: readonly RebalancePlan[],
  o: { readonly onSearch?: () => void; readonly onDelete?: (name: string, as: object) => void } = {},
): PlanSearchOptions & { readonly stored: string[] } => {
  const stored: string[] = [];
  const store = async (_: unknown, { metadata }: RebalancePlan) => {
    stored.push(metadata.name);
    return { metadata };
  };
  return {
    stored,
    client: {
      list: async () => ({ items: [] }),
      apply: store,
      patch: async (_: unknown, { name }: { name: string }) => ({ metadata: { name } }),
      delete: async (_: unknown, { name }: { name: string }, as: object) => o.onDelete?.(name, as),
    } as unknown as KubeClient,
    caches: {
      ...Object.fromEntries(CACHE_NAMES.map((name) => [name, listOf([])])),
      nodes: { ...listOf([makeNode('a').node]), by: () => [], get: () => makeNode('a').node },
      nodeClaims: listOf([CLAIM]),
      pods: listOf([makePod('web-1', { node: 'a' })]),
      plans: listOf(plans),
    } as unknown as Caches,
    catalogue: async () => ({ instanceTypes: [] }),
    planning: async () => {
      o.onSearch?.();
      return {
        selectedNodes: ['a'],
        skippedNodes: [],
        plan: {
          spec: {
            execute: false,
            nodeClaimsToDelete: [{ nodeClaimName: 'claim-a' }],
            podsToMigrate: [
              { name: 'web-1', namespace: 'default', srcNode: 'a', dstNodeClaimName: 'claim-kept' },
            ],
          },
          savings: {
            projectedSavingsPercent: '12.0',
            projectedSavingsCostMonthly: '120.00',
            currentMonthlyCost: '1000.00',
            projectedMonthlyCost: '880.00',
          },
        },
      };
    },
    timeBudgetMs: () => 1_000,
    surgeByDefault: false,
    recorder: { event: () => {}, flush: async () => {} },
    clock: { now: () => NOW },
    signal: new AbortController().signal,
  };
};

for (const [what, off] of Object.entries(OFF)) {
  t.test(`an evictor that is ${what} while it searches drains nothing`, async (t) => {
    let current = ON;
    const o = optionsOf([], {
      onSearch: () => {
        current = off;
      },
    });
    t.match(await runCycle(o, ON, () => current), { result: 'nothing', message: /settings have changed/ });
    t.same(o.stored, []);
    const still = optionsOf([]);
    t.match(await runCycle(still, ON, () => ({ ...ON })), { result: 'planned' });
    t.ok(still.stored.length > 0, 'without a change it drains');
  });
}

const plan = (name: string, o: Partial<RebalancePlan> = {}, madeBy = EVICTOR): RebalancePlan => ({
  metadata: { name, uid: `uid-${name}`, resourceVersion: '7', labels: { [MADE_BY]: madeBy } },
  spec: { execute: true },
  ...o,
});
const PLANS = [
  plan('waits'),
  plan('waits-for-nodes', { status: { state: 'Pending' } }),
  plan('runs', { status: { state: 'Running' } }),
  plan('ended', { status: { state: 'Done', completionTime: new Date(NOW - 1_000).toISOString() } }),
  plan('of-others', {}, 'continuous-rebalancing'),
];

for (const [what, off] of Object.entries(OFF)) {
  t.test(`an evictor that is ${what} takes back its plans that have not started`, async (t) => {
    const deleted: object[] = [];
    await runCycle(optionsOf(PLANS, { onDelete: (name, as) => deleted.push({ name, ...as }) }), off);
    t.match(deleted, [
      { name: 'waits', uid: 'uid-waits', resourceVersion: '7' },
      { name: 'waits-for-nodes', uid: 'uid-waits-for-nodes', resourceVersion: '7' },
    ]);
    t.equal(deleted.length, 2);
  });
}

t.test('a plan that starts as it is taken back goes on, and nobody fails', async (t) => {
  const onDelete = (): void => {
    throw new KubeError('the plan has another version', { kind: 'conflict', status: 409 });
  };
  const off = { ...ON, enabled: false };
  t.match(await runCycle(optionsOf(PLANS, { onDelete }), off), { result: 'nothing' });
});

t.test('while it is on, plans that wait are left alone', async (t) => {
  const deleted: string[] = [];
  await runCycle(optionsOf(PLANS, { onDelete: (name) => deleted.push(name) }), ON);
  t.same(deleted, []);
});
