import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { NodePool, Pod, PodSpec } from '../../api/objects.ts';
import { makeNode, makePod, makePool } from '../../planner/testing/builders.ts';
import { MADE_BY } from '../continuous/decide.ts';
import { asksForSpot, FALLBACK, fallbackNodes, isFallback } from './fallback.ts';
import type { Machine } from './machines.ts';

/** Which on-demand nodes stand in for spot, and when spot is tried again. */

const MINUTE = 60_000;
const PERIOD = 30 * MINUTE;
const NOW = Date.parse('2026-11-30T12:00:00Z');
const SPOT = 'scheduling.cast.ai/spot';
const CAPACITY = 'karpenter.sh/capacity-type';

const poolOf = (...capacityTypes: readonly string[]): NodePool =>
  makePool('default', { requirements: [{ key: CAPACITY, operator: 'In', values: capacityTypes }] });
const BOTH = poolOf('spot', 'on-demand');
const TOLERATES: Partial<PodSpec> = { tolerations: [{ key: SPOT, operator: 'Exists' }] };
const wants = (name: string, node: string): Pod => makePod(name, { node, spec: TOLERATES });

const machine = (
  name: string,
  o: {
    age?: number;
    pods?: readonly Pod[];
    pool?: NodePool;
    capacityType?: string;
    labels?: Record<string, string>;
    now?: number;
  } = {},
): Machine => {
  const { node, claim } = makeNode(name, {
    capacityType: o.capacityType ?? 'on-demand',
    ...(o.labels && { labels: o.labels }),
  });
  const creationTimestamp = new Date((o.now ?? NOW) - (o.age ?? 60 * MINUTE)).toISOString();
  return {
    node: { ...node, metadata: { ...node.metadata, creationTimestamp } },
    claim,
    pool: o.pool ?? BOTH,
    pods: o.pods ?? [wants(`p-${name}`, name)],
  };
};
const ended = (state: 'Done' | 'Failed', at: number, claim = 'claim-x'): RebalancePlan => ({
  metadata: { name: `p-${at}`, labels: { [MADE_BY]: FALLBACK } },
  spec: { execute: true, nodeClaimsToDelete: [{ nodeClaimName: claim }] },
  status: { state, completionTime: new Date(at).toISOString() },
});
const choose = (
  machines: readonly Machine[],
  plans: readonly RebalancePlan[] = [],
  now = NOW,
  refusals: ReadonlyMap<string, readonly number[]> = new Map(),
) => fallbackNodes(PERIOD, { machines, plans, refusals, now });

const term = (key: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator: 'In' as const, values }],
});
const ASKS: readonly (readonly [string, Partial<PodSpec>, boolean])[] = [
  ['tolerates spot', TOLERATES, true],
  ['selects spot', { nodeSelector: { [SPOT]: 'true' } }, true],
  [
    'requires spot',
    {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term(SPOT, 'true')] },
        },
      },
    },
    true,
  ],
  [
    'prefers spot',
    {
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: term(CAPACITY, 'spot') },
          ],
        },
      },
    },
    true,
  ],
  [
    'prefers on-demand',
    {
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: term(CAPACITY, 'on-demand') },
          ],
        },
      },
    },
    false,
  ],
  ['says nothing', {}, false],
  ['tolerates everything', { tolerations: [{ operator: 'Exists' }] }, false],
];
for (const [what, spec, asks] of ASKS) {
  t.test(`a pod that ${what} ${asks ? 'asks' : 'does not ask'} for spot`, async (t) => {
    t.equal(asksForSpot(makePod('p', { spec })), asks);
  });
}

t.test(
  'an on-demand node stands in for spot where its NodePool buys spot and all its pods ask for it',
  async (t) => {
    t.ok(isFallback(machine('a')));
    t.notOk(isFallback(machine('a', { pool: poolOf('on-demand') })), 'no spot to go back to');
    t.notOk(isFallback(machine('a', { capacityType: 'spot' })));
    t.notOk(isFallback(machine('a', { pods: [] })), 'an empty node just goes');
    t.notOk(isFallback(machine('a', { pods: [wants('p', 'a'), makePod('q', { node: 'a' })] })));
  },
);

t.test('it is labelled, once', async (t) => {
  const labelled = machine('b', { labels: { 'scheduling.cast.ai/spot-fallback': 'true' } });
  t.same(
    choose([machine('a', { age: 0 }), labelled]).unlabelled.map(({ metadata }) => metadata.name),
    ['a'],
  );
});

t.test('spot is tried again a period after the node came, for one node alone', async (t) => {
  t.same(choose([machine('a', { age: PERIOD - 1 })]).chosen, []);
  t.match(choose([machine('a', { age: PERIOD - MINUTE })]).waitsFor, /1 on-demand nodes.*12:01:00/);
  const { chosen, mustGo } = choose([machine('a', { age: PERIOD }), machine('b', { age: 2 * PERIOD })]);
  t.same(chosen, ['b'], 'the oldest one');
  t.same(mustGo, { b: { reason: 'SpotFallbackRestore', maxPricePercent: 100 } });
});

t.test('once one node has found spot the others follow, some at a time', async (t) => {
  const nodes = Array.from({ length: 8 }, (_, n) => machine(`n-${n}`));
  t.equal(choose(nodes, [ended('Done', NOW - MINUTE)]).chosen.length, 5);
  t.equal(choose(nodes, [ended('Done', NOW - 2 * PERIOD)]).chosen.length, 1, 'that is long ago');
  t.equal(choose(nodes, [ended('Done', NOW - 3 * MINUTE), ended('Failed', NOW - MINUTE)]).chosen.length, 0);
});

t.test('a drought of a week costs at most one try a period, however many nodes stand in', async (t) => {
  const start = NOW;
  const week = 7 * 24 * 60 * MINUTE;
  const plans: RebalancePlan[] = [];
  const tries: number[] = [];
  for (let now = start; now < start + week; now += 30_000) {
    const nodes = Array.from({ length: 4 }, (_, n) => machine(`n-${n}`, { age: now - start, now }));
    const { chosen } = choose(nodes, plans.slice(-10), now);
    if (chosen.length === 0) continue;
    t.equal(chosen.length, 1);
    tries.push(now);
    // The cloud refuses within two minutes.
    plans.push(ended('Failed', now + 2 * MINUTE, `claim-${chosen[0]}`));
  }
  const gaps = tries.slice(1).map((at, n) => at - (tries[n] ?? 0));
  t.ok(Math.min(...gaps) >= PERIOD, `tried again after ${Math.min(...gaps)} ms`);
  t.ok(tries.length > 300, `${tries.length} tries`);
});

t.test('the oldest node, which can not move, keeps no other from going back', async (t) => {
  const nodes = [machine('stuck', { age: 9 * PERIOD }), machine('a'), machine('b')];
  t.same(choose(nodes).chosen, ['stuck']);
  t.same(choose(nodes, [ended('Failed', NOW - PERIOD, 'claim-stuck')]).chosen, ['a'], 'its plan failed');
  const refusals = new Map([['claim-stuck', [NOW - PERIOD]]]);
  t.same(choose(nodes, [], NOW, refusals).chosen, ['a'], 'the planner refused it');
  const all = new Map([...refusals, ['claim-a', [NOW - 2 * PERIOD]], ['claim-b', [NOW - 3 * PERIOD]]]);
  t.same(choose(nodes, [], NOW, all).chosen, ['b'], 'the one whose last try is the longest ago');
});

t.test('a try that the planner refuses is a try: the next is a period later', async (t) => {
  const refusals = new Map<string, number[]>();
  const tries: number[] = [];
  const nodes = ['a', 'b', 'c'].map((name) => machine(name));
  for (let now = NOW; now < NOW + 24 * 60 * MINUTE; now += 30_000) {
    for (const name of choose(nodes, [], now, refusals).chosen) {
      tries.push(now);
      refusals.set(`claim-${name}`, [now, ...(refusals.get(`claim-${name}`) ?? [])]);
    }
  }
  t.equal(tries.length, 48, 'one each half an hour for a day');
  t.same(
    [...refusals.values()].map(({ length }) => length),
    [16, 16, 16],
  );
});

t.test('after a success a node that is refused beside others waits a period, and they go on', async (t) => {
  const nodes = ['a', 'b'].map((name) => machine(name));
  const plans = [ended('Done', NOW - MINUTE)];
  const refusals = new Map([['claim-a', [NOW - 2 * MINUTE]]]);
  t.same(choose(nodes, plans, NOW, refusals).chosen, ['b']);
  t.same(choose(nodes.slice(0, 1), plans, NOW, refusals).chosen, []);
  t.match(choose(nodes.slice(0, 1), plans, NOW, refusals).waitsFor, /12:28:00/);
});
