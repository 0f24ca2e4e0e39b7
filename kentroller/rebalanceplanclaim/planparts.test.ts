import t from 'tap';
import type { NodePool } from '../../api/objects.ts';
import { afterPlan } from '../../planner/plan/afterplan.ts';
import { verifyPlan } from '../../planner/plan/verify.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { fragmentedCluster, makePool } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { PlanningError, type PlanningRequest, PlanningTimeout } from './plannerworker.ts';
import { partition, planInParts, savingsOfAll } from './planparts.ts';
import { planBytes } from './plansize.ts';

/** Decisions that are too large for one plan, with the real planner. */

const poolWith = (spec: Partial<NodePool['spec']>): NodePool => ({
  ...makePool(),
  spec: { ...makePool().spec, disruption: { budgets: [{ nodes: '100%' }] }, ...spec },
});

const REQUEST: PlanningRequest = {
  snapshot: { ...fragmentedCluster(60, 30, 12), nodePools: [poolWith({})] },
  catalogue: smallCatalogue,
  now: Date.parse('2026-06-01T12:00:00Z'),
  seed: 1,
  planName: 'large',
  rounds: 40,
};

const plan = (request: Partial<PlanningRequest> = {}, o: { maxBytes?: number; partBytes?: number } = {}) => {
  const asked: PlanningRequest[] = [];
  const answer = planInParts(
    { ...REQUEST, ...request },
    {
      planning: async (each) => {
        asked.push(each);
        return rebalance(each);
      },
      planNameOf: (part) => (part === 1 ? 'large' : `large-p${part}`),
      timeoutMs: 600_000,
      now: () => REQUEST.now,
      signal: new AbortController().signal,
      ...o,
    },
  );
  return answer.then((value) => ({ ...value, asked }));
};

t.test('a decision that fits into one plan is one', async (t) => {
  const { plans, asked } = await plan();
  t.equal(plans.length, 1);
  t.equal(asked.length, 1);
  t.equal(asked[0]?.scope, undefined);
});

t.test('parts share no node, keep all pods, are sound one after the other and save as much', async (t) => {
  const whole = await plan();
  const { plans, skippedNodes, selectedNodes } = await plan({}, { partBytes: 130_000 });
  t.ok(plans.length >= 3, `${plans.length} plans`);
  const used = plans.map(
    ({ spec }) =>
      new Set([
        ...(spec.nodeClaimsToDelete ?? []).map((each) => each.nodeClaimName),
        ...(spec.nodeClaimsToAdd ?? []).map((each) => each.metadata.name),
        ...(spec.podsToMigrate ?? []).map((each) => each.dstNodeClaimName),
      ]),
  );
  t.equal(
    new Set(used.flatMap((each) => [...each])).size,
    used.reduce((sum, each) => sum + each.size, 0),
  );
  const moved = plans.flatMap(({ spec }) => (spec.podsToMigrate ?? []).map((each) => each.name));
  t.equal(new Set(moved).size, moved.length, 'no pod is moved twice');
  let { snapshot } = REQUEST;
  for (const { spec } of plans) {
    t.same(verifyPlan(snapshot, smallCatalogue, spec), []);
    t.same(verifyPlan(REQUEST.snapshot, smallCatalogue, spec), [], 'beside the others not carried out too');
    snapshot = afterPlan(snapshot, spec);
  }
  t.equal(snapshot.pods.length, REQUEST.snapshot.pods.length);
  t.equal(new Set([...selectedNodes, ...skippedNodes.map(({ name }) => name)]).size, 60);
  const percent = (answer: typeof whole) =>
    Number(savingsOfAll(answer.plans.map(({ savings }) => savings)).projectedSavingsCostMonthly);
  const ratio = percent({ ...whole, plans }) / percent(whole);
  t.comment(`parts save ${(ratio * 100).toFixed(1)} % of what one plan saves`);
  t.ok(ratio > 0.9);
});

t.test('a plan that turns out too large is planned in halves', async (t) => {
  const [whole] = (await plan()).plans;
  const maxBytes = whole ? Math.floor(planBytes(whole.spec, whole.savings) * 0.6) : 0;
  const { plans } = await plan({}, { maxBytes });
  t.ok(plans.length >= 2);
  for (const { spec, savings } of plans) t.ok(planBytes(spec, savings) <= maxBytes);
});

t.test('a node whose plan alone is too large ends the search with its name', async (t) => {
  await t.rejects(plan({}, { maxBytes: 100 }), {
    constructor: PlanningError,
    message: /the plan for node node-\d+ alone is larger/,
  });
});

t.test('maxNodes holds for all parts together', async (t) => {
  const { plans } = await plan({ constraints: { maxNodes: 25 } }, { partBytes: 130_000 });
  const removed = plans.reduce((sum, { spec }) => sum + (spec.nodeClaimsToDelete?.length ?? 0), 0);
  t.ok(removed > 0 && removed <= 25, `${removed} nodes`);
});

t.test('a disruption budget, which paces the drain, ends no search', async (t) => {
  const nodePools = [poolWith({ disruption: { budgets: [{ nodes: '7' }] } })];
  const { plans } = await plan({ snapshot: { ...REQUEST.snapshot, nodePools } }, { partBytes: 130_000 });
  const removed = plans.reduce((sum, { spec }) => sum + (spec.nodeClaimsToDelete?.length ?? 0), 0);
  t.ok(removed > 7, `${removed} nodes are removed`);
});

t.test('nodes that earlier parts add do not use up the disruption budget of later ones', async (t) => {
  const nodePools = [poolWith({ disruption: { budgets: [{ nodes: '10%' }] } })];
  const { plans } = await plan({ snapshot: { ...REQUEST.snapshot, nodePools } }, { partBytes: 130_000 });
  t.ok(plans.length >= 3, `${plans.length} plans`);
});

t.test('parts share the time for the search, and those found before a timeout count', async (t) => {
  let now = 0;
  const budgets: number[] = [];
  const answer = await planInParts(
    { ...REQUEST, timeBudgetMs: 8_000 },
    {
      planning: async (each) => {
        budgets.push(each.timeBudgetMs ?? 0);
        if (budgets.length === 3) throw new PlanningTimeout('no plan was found within 1 s');
        now += each.timeBudgetMs ?? 0;
        return rebalance({ ...each, clock: () => 0 });
      },
      planNameOf: (part) => `large-p${part}`,
      timeoutMs: 9_000,
      now: () => now,
      signal: new AbortController().signal,
      partBytes: 130_000,
    },
  );
  t.equal(answer.plans.length, 2);
  t.ok(
    budgets.every((each) => each <= 8_000 / 3),
    budgets.join(' '),
  );
});

t.test('the limits of a NodePool hold for all parts together', async (t) => {
  const limited = (nodes: number) => ({
    ...REQUEST.snapshot,
    nodePools: [poolWith({ limits: { nodes: String(60 + nodes) } })],
  });
  const { plans } = await plan({ snapshot: limited(4) }, { partBytes: 130_000 });
  const added = plans.reduce((sum, { spec }) => sum + (spec.nodeClaimsToAdd?.length ?? 0), 0);
  t.ok(added > 0 && added <= 4, `${added} nodes are added`);
});

t.test('nodes of a NodePool stay together, and only those in scope are taken', async (t) => {
  const scope = { nodeNames: ['node-1', 'node-2', 'node-3'] };
  t.same(partition({ ...REQUEST, scope }, 1), [['node-1'], ['node-2'], ['node-3']]);
  t.equal(partition(REQUEST).length, 1);
});

t.test('fault: plans larger than estimated cost a search or two, not one more for each part', async (t) => {
  const { plans, asked } = await plan({}, { partBytes: 130_000, maxBytes: 25_000 });
  t.ok(plans.length >= 5, `${plans.length} plans`);
  for (const { spec, savings } of plans) t.ok(planBytes(spec, savings) <= 25_000);
  const searches = `${asked.length} searches for ${plans.length} plans`;
  t.comment(searches);
  t.ok(asked.length <= plans.length + 3, searches);
});
