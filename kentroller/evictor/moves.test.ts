import t from 'tap';
import type { RebalancePlan, RebalancePlanStatus } from '../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, EVICTED_TAINT } from '../../api/labels.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import { nodesToUntaint, plansToPrune, recentlyDrained } from './moves.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const HOUR = 3_600_000;
const plan = (
  name: string,
  endedMinutesAgo: number | undefined,
  o: { execute?: boolean; by?: string } = {},
): RebalancePlan => ({
  metadata: { name, labels: { 'autoscaling.cast.ai/made-by': o.by ?? 'evictor' } },
  spec: { execute: o.execute ?? true, nodeClaimsToDelete: [{ nodeClaimName: `claim-${name}` }] },
  status:
    endedMinutesAgo === undefined
      ? ({ state: 'Running' } satisfies RebalancePlanStatus)
      : { state: 'Done', completionTime: new Date(NOW - endedMinutesAgo * 60_000).toISOString() },
});

t.test('plans are kept while a cooldown needs them, and the newest ten', async (t) => {
  const names = (plans: readonly RebalancePlan[]) =>
    plansToPrune(plans, NOW, HOUR).map(({ metadata }) => metadata.name);
  const old = Array.from({ length: 12 }, (_, n) => plan(`old-${n}`, 100 + n));
  t.same(names(old), ['old-10', 'old-11']);
  const recent = Array.from({ length: 12 }, (_, n) => plan(`new-${n}`, n));
  t.same(names(recent), [], 'all are within the cooldown');
  const many = Array.from({ length: 1_002 }, (_, n) => plan(`many-${n}`, n / 100));
  t.same(names(many), ['many-1000', 'many-1001'], 'no cooldown keeps more than a thousand');
  t.same(names([plan('never', undefined, { execute: false })]).length, 1, 'a plan that never ran goes');
  t.same(names([plan('theirs', undefined, { execute: false, by: 'continuous-rebalancing' })]), []);
});

t.test('a node keeps its soft taint while its plan runs and until the cooldown is over', async (t) => {
  const made = (name: string, annotations?: Record<string, string>) => {
    const { node, claim } = makeNode(name, { taints: [{ key: EVICTED_TAINT, effect: 'PreferNoSchedule' }] });
    return { claim, node: { ...node, metadata: { ...node.metadata, ...(annotations && { annotations }) } } };
  };
  const all = [made('running'), made('recent'), made('over'), made('cordoned', { [CORDONED_BY]: 'x' })];
  const plans = [plan('running', undefined), plan('recent', 30), plan('over', 90)];
  const drained = recentlyDrained(plans, NOW, HOUR);
  const claims = new Map(all.map(({ node, claim }) => [node.metadata.name, claim]));
  const due = nodesToUntaint(
    [...all.map(({ node }) => node), makeNode('plain').node],
    (n) => claims.get(n.metadata.name),
    drained,
  );
  t.same(
    due.map(({ metadata }) => metadata.name),
    ['over'],
  );
});
