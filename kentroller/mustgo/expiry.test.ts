import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import { MADE_BY } from '../continuous/decide.ts';
import { EXPIRY, type ExpiryState, expiringNodes, windowOf } from './expiry.ts';
import { plansToPrune, plansToWithdraw } from './plans.ts';

/** Which nodes are replaced before they expire, when, and how many at once. */

const HOUR = 3_600_000;
const NOW = Date.parse('2026-11-30T12:00:00Z');
const SETTINGS = { leadMs: 2 * HOUR, maxNodes: 3, maxPricePercent: 120 };

/** A node that expires at a time, and lives for 100 hours. */
const machine = (name: string, endsAt: number, o: { pool?: string; life?: number } = {}) => {
  const { node, claim } = makeNode(name, { ...(o.pool !== undefined && { pool: o.pool }) });
  const life = o.life ?? 100 * HOUR;
  const creationTimestamp = new Date(endsAt - life).toISOString();
  return {
    node,
    claim: {
      ...claim,
      metadata: { ...claim.metadata, uid: `uid-${name}`, creationTimestamp },
      spec: { ...claim.spec, expireAfter: `${life / 1000}s` },
    },
  };
};
const state = (nodes: ExpiryState['nodes'], o: Partial<ExpiryState> = {}): ExpiryState => ({
  plans: [],
  refusals: new Map(),
  nodes,
  allowed: () => 100,
  now: NOW,
  ...o,
});
const chosen = (s: ExpiryState, settings = SETTINGS): readonly string[] => expiringNodes(settings, s).chosen;
const plan = (
  claims: readonly string[],
  o: Partial<RebalancePlan> & { execute?: boolean } = {},
): RebalancePlan => ({
  metadata: { name: `p-${claims}`, labels: { [MADE_BY]: EXPIRY } },
  spec: {
    execute: o.execute ?? true,
    nodeClaimsToDelete: claims.map((nodeClaimName) => ({ nodeClaimName })),
  },
  ...o,
});
const ended = (claims: readonly string[], endsAt: number): RebalancePlan =>
  plan(claims, { status: { state: 'Failed', completionTime: new Date(endsAt).toISOString() } });

t.test('a node is replaced within the time before its expiry, and at no other time', async (t) => {
  t.same(chosen(state([machine('soon', NOW + HOUR - 1)])), ['soon'], 'in the second half of the window');
  t.same(chosen(state([machine('later', NOW + 3 * HOUR)])), []);
  t.same(chosen(state([machine('over', NOW - 1)])), [], 'it is being ended');
  const { node, claim } = machine('never', NOW);
  t.same(chosen(state([{ node, claim: { ...claim, spec: { ...claim.spec, expireAfter: 'Never' } } }])), []);
});

t.test(
  'a node that lives for less than twice that time is replaced in the second half of its life',
  async (t) => {
    const short = machine('short', NOW + 20 * 60_000, { life: HOUR });
    const window = windowOf(short.claim, SETTINGS.leadMs);
    t.equal(window?.opensAt, NOW - 10 * 60_000);
    t.ok((window?.startsAt ?? 0) <= NOW + 5 * 60_000);
  },
);

t.test(
  'nodes that were bought together are replaced over half of the window, each at its own time',
  async (t) => {
    const starts = Array.from({ length: 200 }, (_, n) => {
      const window = windowOf(machine(`n-${n}`, NOW).claim, SETTINGS.leadMs);
      return (window?.startsAt ?? 0) - (window?.opensAt ?? 0);
    });
    t.ok(Math.min(...starts) < 0.05 * HOUR, `the first after ${Math.min(...starts)} ms`);
    t.ok(
      Math.max(...starts) > 0.95 * HOUR && Math.max(...starts) < HOUR,
      `the last after ${Math.max(...starts)} ms`,
    );
    for (let part = 0; part < 4; part += 1) {
      const count = starts.filter((start) => Math.floor((start / HOUR) * 4) === part).length;
      t.ok(count > 25, `${count} in quarter ${part}`);
    }
  },
);

t.test(
  'no more nodes are replaced at once than the settings and the budgets allow, the first to expire first',
  async (t) => {
    const nodes = [5, 3, 1, 4, 2].map((n) => machine(`n-${n}`, NOW + n * 60_000));
    t.same(chosen(state(nodes)), ['n-1', 'n-2', 'n-3']);
    t.same(chosen(state(nodes, { allowed: () => 1 })), ['n-1']);
    t.same(
      chosen(state([...nodes, machine('other', NOW + 9 * 60_000, { pool: 'b' })], { allowed: () => 1 })),
      ['n-1', 'other'],
    );
    t.same(chosen(state(nodes, { plans: [plan(['claim-n-2', 'claim-n-1'])] })), ['n-3'], 'two are under way');
  },
);

t.test('a node that any plan removes or fills is left to that plan', async (t) => {
  const nodes = [machine('a', NOW + 60_000), machine('b', NOW + 60_000)];
  const filling: RebalancePlan = {
    metadata: { name: 'other' },
    spec: {
      execute: true,
      podsToMigrate: [{ name: 'p', namespace: 'd', srcNode: 'x', dstNodeClaimName: 'claim-a' }],
    },
  };
  t.same(chosen(state(nodes, { plans: [filling] })), ['b']);
  t.same(chosen(state(nodes, { plans: [{ ...filling, status: { state: 'Done' } }] })), ['a', 'b']);
});

t.test(
  'after a plan that left it in place a node is tried again, later each time, and while there is time',
  async (t) => {
    const nodes = [machine('a', NOW + 50 * 60_000)];
    const at = (...ends: number[]): readonly string[] =>
      chosen(state(nodes, { plans: ends.map((each) => ended(['claim-a'], NOW - each)) }));
    t.same(at(4 * 60_000), []);
    t.same(at(5 * 60_000), ['a']);
    t.same(at(6 * 60_000, 20 * 60_000), [], 'the second wait is twice the first');
    t.same(at(10 * 60_000, 20 * 60_000), ['a']);
    const late = [machine('a', NOW + 60_000)];
    t.same(
      chosen(
        state(late, { plans: Array.from({ length: 5 }, (_, n) => ended(['claim-a'], NOW - 61_000 - n)) }),
      ),
      ['a'],
      'shortly before the end it waits a minute',
    );
  },
);

t.test('nodes that the planner can not replace keep no place from those that expire later', async (t) => {
  const MINUTE = 60_000;
  const blocked = Array.from({ length: 30 }, (_, n) => machine(`blocked-${n}`, NOW + 40 * MINUTE + n));
  let good = Array.from({ length: 6 }, (_, n) => machine(`good-${n}`, NOW + 41 * MINUTE + n));
  const refusals = new Map<string, number[]>();
  let underWay: { claim: string; until: number }[] = [];
  let searches = 0;
  for (let now = NOW; now < NOW + 40 * MINUTE; now += 15_000) {
    const over = underWay.filter(({ until }) => until <= now).map(({ claim }) => claim);
    good = good.filter(({ claim }) => !over.includes(claim.metadata.name));
    underWay = underWay.filter(({ until }) => until > now);
    const plans = underWay.map(({ claim }) => plan([claim]));
    const names = chosen(state([...blocked, ...good], { plans, refusals, now }));
    searches += names.length > 0 ? 1 : 0;
    for (const name of names) {
      const claim = `claim-${name}`;
      if (name.startsWith('good')) underWay.push({ claim, until: now + 5 * MINUTE });
      else refusals.set(claim, [now, ...(refusals.get(claim) ?? [])]);
    }
  }
  t.equal(good.length, 0, 'all that can be replaced are');
  const tries = blocked.map(({ claim }) => refusals.get(claim.metadata.name)?.length ?? 0);
  t.ok(Math.min(...tries) >= 2, `each is tried again, ${Math.min(...tries)} times at least`);
  t.ok(searches < 120, `${searches} searches in 160 looks`);
});

t.test('a refused node is tried again later each time, and before others that have longer', async (t) => {
  const MINUTE = 60_000;
  const node = machine('a', NOW + 50 * MINUTE);
  const at = (...ago: number[]): readonly string[] =>
    chosen(state([node], { refusals: new Map([['claim-a', ago.map((each) => NOW - each * MINUTE)]]) }));
  t.same(at(4), []);
  t.same(at(5), ['a']);
  t.same(at(6, 20), [], 'the second wait is twice the first');
  t.same(at(10, 20), ['a']);
  const refusals = new Map([['claim-a', [NOW - 30 * MINUTE]]]);
  const others = (endsAt: number) => [node, machine('b', NOW + endsAt * MINUTE)];
  const one = { ...SETTINGS, leadMs: 4 * HOUR, maxNodes: 1 };
  t.same(chosen(state(others(110), { refusals }), one), ['a'], 'b has more than twice the time');
  t.same(chosen(state(others(90), { refusals }), one), ['b']);
});

t.test('no pod goes to a node that expires soon, also while its turn has not come', async (t) => {
  const nodes = [1, 2, 3, 4].map((n) => machine(`n-${n}`, NOW + n * 60_000));
  const { mustGo } = expiringNodes({ ...SETTINGS, maxNodes: 1 }, state(nodes));
  t.same(Object.keys(mustGo), ['n-1', 'n-2', 'n-3', 'n-4']);
  t.same(mustGo['n-1'], { reason: 'Expiry', maxPricePercent: 120 });
});

t.test('a node whose time runs out while it waits is told why', async (t) => {
  const nodes = [machine('a', NOW + 10 * 60_000), machine('b', NOW + 11 * 60_000)];
  t.match(expiringNodes(SETTINGS, state(nodes, { allowed: () => 0 })).late, [
    { name: 'a', reasons: [/budgets of NodePool default/] },
    { name: 'b' },
  ]);
  t.match(expiringNodes({ ...SETTINGS, maxNodes: 1 }, state(nodes)).late, [
    { name: 'b', reasons: [/1 nodes/] },
  ]);
  t.same(expiringNodes(SETTINGS, state([machine('c', NOW + 50 * 60_000)], { allowed: () => 0 })).late, []);
});

t.test('plans that never ran and old ones are deleted, and waiting ones when it is turned off', async (t) => {
  const names = (plans: readonly RebalancePlan[]): string[] => plans.map(({ metadata }) => metadata.name);
  const unstarted = plan(['dead'], { execute: false });
  const waiting = plan(['waiting'], { status: { state: 'Pending' } });
  const running = plan(['running'], { status: { state: 'Running' } });
  const old = Array.from({ length: 12 }, (_, n) => ended([`old-${n}`], NOW - (30 + n) * HOUR));
  const all = [
    unstarted,
    waiting,
    running,
    ...old,
    { ...ended(['x'], NOW - 99 * HOUR), metadata: { name: 'x' } },
  ];
  const o = { now: NOW, keepMs: 24 * HOUR };
  t.same(names(plansToPrune(all, EXPIRY, o)), ['p-dead', 'p-old-10', 'p-old-11']);
  t.same(names(plansToPrune(all, EXPIRY, { ...o, keepMs: 41 * HOUR })), ['p-dead', 'p-old-11']);
  t.same(names(plansToWithdraw(all, EXPIRY)), ['p-waiting']);
});
