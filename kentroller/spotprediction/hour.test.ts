import t from 'tap';
import * as resources from '../../api/resources.ts';
import { PREDICTION, SpotWorld } from '../testing/spotworld.ts';
import { capsOf } from './decide.ts';

/** Hours of virtual time: the whole fleet at risk at once, and recommendations that never end. */

const MINUTE = 60_000;
const FLEET = 20;
const CAPS = capsOf(PREDICTION, FLEET);

const fleet = (size = FLEET): SpotWorld => {
  const world = new SpotWorld();
  for (let n = 0; n < size; n += 1) world.machine(`old-${n}`);
  world.start();
  return world;
};

/** A recommendation for each node of five minutes and more that has none, as a fleet in a tight market gets them. */
const recommendAll = (world: SpotWorld): void => {
  for (const { metadata } of world.api.list(resources.NODES)) {
    const ageMs = world.now - Date.parse(metadata.creationTimestamp ?? '');
    const last = world.signals.findLast(({ node }) => node === metadata.name)?.at ?? 0;
    if (ageMs >= 5 * MINUTE && world.now - last >= 5 * MINUTE)
      world.hear(metadata.name, 'rebalance-recommendation');
  }
};

const inWork = (world: SpotWorld): number =>
  world
    .claims()
    .filter(({ status }) => status?.state === undefined)
    .reduce((sum, { spec }) => sum + (spec.scope?.nodeNames?.length ?? 0), 0);

t.test(
  'with the whole fleet at risk, caps hold in every minute, and no node is replaced twice',
  async (t) => {
    const world = fleet();
    let most = 0;
    for (let second = 0; second < 3_600; second += 20) {
      recommendAll(world);
      await world.cycle();
      most = Math.max(most, inWork(world));
      world.execute(3 * MINUTE);
      world.now += 20_000;
    }
    t.equal(most, CAPS.atOnce, 'as many as may go at once');
    t.ok(world.replaced.length <= CAPS.hourly, `${world.replaced.length} were replaced in an hour`);
    t.ok(world.replaced.length > CAPS.atOnce, 'and the work went on');
    const successors = new Set(world.replaced.map(([, next]) => next));
    t.same(
      world.replaced.filter(([name]) => successors.has(name)),
      [],
      'no node that replaced one is replaced within its first half hour',
    );
  },
);

t.test(
  'each new node gets a recommendation after five minutes: replacements become rarer, not a loop',
  async (t) => {
    const world = fleet(1);
    const at: number[] = [];
    for (let minute = 0; minute < 24 * 60; minute += 1) {
      recommendAll(world);
      await world.cycle();
      const before = world.replaced.length;
      world.execute(3 * MINUTE);
      if (world.replaced.length > before) at.push(minute);
      world.now += MINUTE;
    }
    const gaps = at.slice(1).map((minute, n) => minute - (at[n] ?? 0));
    t.ok(at.length >= 3 && at.length <= 8, `replaced at minutes ${at}`);
    t.ok(
      gaps.every((gap, n) => n === 0 || gap > (gaps[n - 1] ?? 0)),
      `with gaps of ${gaps}`,
    );
  },
);

t.test('nobody stays labelled, closed or remembered once the market is calm', async (t) => {
  const world = fleet();
  recommendAll(world);
  world.now += 6 * MINUTE;
  recommendAll(world);
  await world.cycle();
  t.equal(world.labelled().length, FLEET, 'all are labelled at first');
  for (let minute = 0; minute < 180; minute += 1) {
    await world.cycle();
    world.execute(3 * MINUTE);
    world.now += MINUTE;
  }
  t.same(world.labelled(), []);
  const items = world.api.list(resources.NODES);
  t.same(
    items.filter(({ metadata }) => metadata.annotations?.['autoscaling.cast.ai/interruption-prediction']),
    [],
  );
  const left = world.api
    .list(resources.UNAVAILABLE_OFFERINGS)
    .filter(({ spec }) => Date.parse(spec.expiresAt ?? '') > world.now);
  t.same(left, [], 'no offering is kept from being bought');
});

t.test(
  'turned off in the middle of it, marks go, and claims that have not begun are taken back',
  async (t) => {
    const world = fleet();
    world.now += 6 * MINUTE;
    recommendAll(world);
    await world.cycle();
    t.equal(world.claims().length, 1);
    world.settings = { ...PREDICTION, enabled: false };
    await world.cycle();
    t.same([world.labelled(), world.claims()], [[], []]);
    world.settings = PREDICTION;
    await world.cycle();
    t.equal(world.labelled().length, FLEET, 'and on again it goes on');
    t.equal(world.claims().length, 1);
  },
);

t.test('a shadow labels, remembers and replaces nothing', async (t) => {
  const world = fleet();
  world.settings = { ...PREDICTION, shadow: true };
  world.now += 6 * MINUTE;
  recommendAll(world);
  t.match(await world.cycle(), /20 of 20 spot nodes are at risk; a shadow moves nothing/);
  t.same([world.labelled(), world.claims(), world.events], [[], [], []]);
  t.same(world.api.list(resources.UNAVAILABLE_OFFERINGS), []);
  t.match(await world.registry.metrics(), /kentroller_spot_nodes_at_risk 20/);
  world.now += 10 * MINUTE;
  world.hear('old-0', 'interruption');
  for (let minute = 0; minute < 40; minute += 1) {
    await world.cycle();
    world.now += MINUTE;
  }
  const metrics = await world.registry.metrics();
  t.match(metrics, /outcomes_total\{model="builtin",outcome="hit"\} 1\n/);
  t.match(metrics, /outcomes_total\{model="builtin",outcome="false-alarm"\} 19\n/);
  t.match(metrics, /prediction_precision\{model="builtin"\} 0\.05\n/);
  t.match(metrics, /prediction_recall\{model="builtin"\} 1\n/);
  t.match(metrics, /lead_seconds_sum\{model="builtin"\} 600\n/);
  t.match(metrics, /prediction_brier_score\{model="builtin"\} 0\.\d+\n/);
  t.same([world.labelled(), world.claims(), world.events], [[], [], []], 'and still nothing was moved');
});

t.test('a process that dies anywhere in a cycle leaves what the next one completes, once', async (t) => {
  const ends = new Set<string>();
  for (let n = 0; n < 60; n += 1) {
    const world = fleet(5);
    world.now += 6 * MINUTE;
    recommendAll(world);
    let writes = 0;
    world.wrap = (client) =>
      new Proxy(client, {
        get: (target, property) => {
          const member: unknown = Reflect.get(target, property);
          if (
            typeof member !== 'function' ||
            !['create', 'patch', 'apply', 'delete'].includes(String(property))
          )
            return member;
          return async (...args: unknown[]) => {
            // Each write in turn is the last: first it never arrives, then its answer does not.
            const at = writes++;
            const last = Math.floor(n / 2);
            if (at > last || (at === last && n % 2 === 0)) throw new Error('dead');
            const answer: unknown = await Reflect.apply(member, target, args);
            if (at === last) throw new Error('dead');
            return answer;
          };
        },
      });
    world.start();
    await world.cycle().catch(() => undefined);
    world.wrap = (client) => client;
    world.start();
    world.now += 1_000;
    await world.cycle();
    ends.add(
      JSON.stringify([
        world.labelled(),
        world.claims().map(({ spec }) => spec.scope),
        world.api.list(resources.UNAVAILABLE_OFFERINGS).map(({ spec }) => spec.instanceType),
      ]),
    );
  }
  t.equal(ends.size, 1, [...ends].join('\n'));
});
