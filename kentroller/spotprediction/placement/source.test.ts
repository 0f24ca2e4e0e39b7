import { Registry } from 'prom-client';
import t from 'tap';
import { printable } from '../../../api/text/printable.ts';
import type { Catalogue } from '../../../planner/model/catalogue.ts';
import { makeNode } from '../../../planner/testing/builders.ts';
import { machines } from '../../../planner/testing/smallworld.ts';
import type { WatchedNode } from '../source.ts';
import { placementRequests, registerScores } from './metrics.ts';
import { scarceSpot } from './scarce.ts';
import { PlacementScores } from './scores.ts';
import { createPlacementSource } from './source.ts';

/** What is asked of EC2 over hours of virtual time, and what the condition says of it. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const { signal } = new AbortController();
const ZONES = { 'us-west-2a': 2, 'us-west-2b': 9 };

/** A catalogue that sells these types as spot. */
const selling = (...names: readonly string[]): Catalogue => ({
  instanceTypes: names.flatMap((name) =>
    machines.instanceTypes.slice(0, 1).map((type) => ({
      ...type,
      name,
      offerings: type.offerings.map((each) => ({ ...each, capacityType: 'spot' as const })),
    })),
  ),
});
const family = (name: string): string[] => ['large', 'xlarge', '2xlarge'].map((size) => `${name}.${size}`);
const spot = (type: string, n = 0): WatchedNode =>
  makeNode(`${type}-${n}`, { type, capacityType: 'spot' }) as unknown as WatchedNode;
const failure = (name: string, message = 'it failed'): Error => Object.assign(new Error(message), { name });

/** A source over a cloud that a test answers for, with a clock. */
const world = (o: { readonly most?: number; readonly scores?: PlacementScores } = {}) => {
  const scene = {
    now: 1_000 * HOUR,
    most: o.most ?? 5,
    nodes: [spot('m5.large')] as readonly WatchedNode[],
    catalogue: selling(...family('m5'), ...family('c5'), ...family('r5'), 'm5.metal', 'p5.48xlarge'),
    asked: [] as string[][],
    answer: async (_: readonly string[]): Promise<object> => ZONES,
  };
  const scores = o.scores ?? new PlacementScores();
  const registry = new Registry();
  const source = createPlacementSource({
    placementScores: async (types) => {
      scene.asked.push([...types]);
      return new Map(Object.entries(await scene.answer(types))) as Map<string, number>;
    },
    catalogue: async () => scene.catalogue,
    scores,
    most: () => scene.most,
    requests: placementRequests(registry),
    now: () => scene.now,
  });
  registerScores(
    registry,
    scores,
    () => scene.most > 0,
    () => scene.now,
  );
  const poll = async () =>
    (await source.poll({ nodes: scene.nodes, modelName: '', now: scene.now }, signal)).condition;
  return Object.assign(scene, { scores, registry, source, poll });
};

t.test(
  'one call a family and quarter of an hour, always with the same types, whoever is polled how often',
  async (t) => {
    const scene = world();
    scene.nodes = [spot('m5.large'), spot('m5.xlarge'), spot('c5.large')];
    for (let minute = 0; minute < 24 * 60; minute += 1) {
      const { status, reason } = await scene.poll();
      t.match({ status, reason }, { status: 'True', reason: 'Scored' });
      scene.now += MINUTE;
      if (minute === 600) scene.catalogue = selling(...family('m5'), 'm5.24xlarge', ...family('c5'));
    }
    t.equal(scene.asked.length, 2 * 4 * 24);
    t.same(
      [...new Set(scene.asked.map((types) => types.join()))],
      ['m5.2xlarge,m5.large,m5.xlarge', 'c5.2xlarge,c5.large,c5.xlarge'],
    );
    t.equal(scene.scores.scoreOf('m5.4xlarge/us-west-2a', scene.now), 2, 'for every size of the family');
    t.same([...scene.scores.low(scene.now)].toSorted(), ['c5/us-west-2a', 'm5/us-west-2a']);
    const text = await scene.registry.metrics();
    t.match(text, /kentroller_spot_placement_score\{family="m5",zone="us-west-2b"\} 9/);
    t.match(text, /kentroller_spot_placement_configurations 2/);
    t.match(text, /requests_total\{outcome="scored"\} 192/);
  },
);

t.test('with nodes that come and go, no more families within any day than there may be', async (t) => {
  const scene = world({ most: 3 });
  const at: { readonly family: string; readonly now: number }[] = [];
  scene.answer = async ([first = '']) => {
    at.push({ family: first.split('.')[0] ?? '', now: scene.now });
    return ZONES;
  };
  const names = Array.from({ length: 12 }, (_, n) => `f${n}`);
  scene.catalogue = selling(...names.flatMap(family));
  for (let hour = 0; hour < 72; hour += 1) {
    scene.nodes = names
      .slice(Math.floor(hour / 8), Math.floor(hour / 8) + 3)
      .map((name) => spot(`${name}.large`));
    await scene.poll();
    scene.now += HOUR;
  }
  for (const { now } of at) {
    const day = at.filter((each) => each.now >= now && each.now < now + 24 * HOUR);
    t.ok(new Set(day.map((each) => each.family)).size <= 3);
  }
  t.ok(new Set(at.map((each) => each.family)).size > 3, 'others had their turn later');
});

t.test('a score counts for an hour, and not at all once it is turned off or a shadow', async (t) => {
  const scene = world();
  await scene.poll();
  const settings = { enabled: true, shadow: false, placementScoreFamilies: 5 } as never as Parameters<
    typeof scarceSpot
  >[0];
  const scarce = (change: object) => [...scarceSpot({ ...settings, ...change }, scene.scores, scene.now)];
  t.same(scarce({}), ['m5/us-west-2a']);
  for (const change of [{ shadow: true }, { enabled: false }, { placementScoreFamilies: 0 }])
    t.same(scarce(change), [], JSON.stringify(change));
  scene.most = 0;
  t.match(await scene.poll(), {
    status: 'False',
    reason: 'NotConfigured',
    message: /PLACEMENT_SCORE_FAMILIES/,
  });
  t.notMatch(await scene.registry.metrics(), /placement_score\{/);
  scene.most = 5;
  scene.now += HOUR;
  t.same(scarce({}), []);
});

t.test(
  'a missing right is said in one sentence, and asked for again after ten minutes or when it is turned on',
  async (t) => {
    const scene = world();
    scene.answer = async () => {
      throw failure('UnauthorizedOperation');
    };
    scene.nodes = [spot('m5.large'), spot('c5.large')];
    t.match(await scene.poll(), {
      status: 'False',
      reason: 'Forbidden',
      message:
        /^Spot placement scores are not read before .*: the right ec2:GetSpotPlacementScores is missing\.$/,
    });
    for (let minute = 0; minute < 9; minute += 1) {
      scene.now += MINUTE;
      await scene.poll();
    }
    t.equal(scene.asked.length, 1);
    t.same(scene.scores.configurations(scene.now), [], 'what was refused counts to no limit');
    scene.now += MINUTE;
    await scene.poll();
    t.equal(scene.asked.length, 2);
    scene.answer = async () => ZONES;
    scene.source.open();
    t.match(await scene.poll(), { status: 'True' });
  },
);

t.test('throttled, it waits twice as long each time, and what was read goes on counting', async (t) => {
  const scene = world();
  await scene.poll();
  scene.now += 15 * MINUTE;
  scene.answer = async () => {
    throw failure('RequestLimitExceeded');
  };
  const calls: number[] = [];
  for (let minute = 0; minute < 60; minute += 1) {
    const before = scene.asked.length;
    const { reason } = await scene.poll();
    t.equal(reason, 'Throttled');
    if (scene.asked.length > before) calls.push(minute);
    if (minute < 44) t.equal(scene.scores.scoreOf('m5.large/us-west-2a', scene.now), 2);
    scene.now += MINUTE;
  }
  t.same(calls, [0, 1, 3, 7, 15, 31]);
  t.equal(scene.scores.scoreOf('m5.large/us-west-2a', scene.now), undefined);
});

t.test(
  'at the limit of the account what is known goes on, and new families wait an hour and longer',
  async (t) => {
    const scene = world();
    await scene.poll();
    scene.nodes = [spot('m5.large'), spot('c5.large'), spot('r5.large')];
    const refused: number[] = [];
    scene.answer = async ([first = '']) => {
      if (first.startsWith('m5')) return ZONES;
      refused.push(scene.now);
      throw failure('MaxConfigLimitExceeded');
    };
    const started = scene.now;
    for (let minute = 0; minute < 8 * 60; minute += 1) {
      t.match(await scene.poll(), {
        status: 'True',
        reason: 'Scored',
        message:
          /of m5 by zone; the account may ask for no new configuration before .*, which c5 and r5 would be\.$/,
      });
      scene.now += MINUTE;
    }
    t.same(
      refused.map((at) => (at - started) / HOUR),
      [0, 1, 3, 7],
    );
    const known = scene.scores.configurations(scene.now).map((each) => each.family);
    t.same(known, ['m5']);
  },
);

t.test(
  'an answer that does not come holds up one family at a time, and the others are asked for',
  async (t) => {
    const scene = world();
    scene.nodes = [spot('m5.large', 1), spot('m5.large', 2), spot('c5.large')];
    scene.answer = async ([first = '']) => {
      if (first.startsWith('m5')) throw failure('TimeoutError', 'no answer \u001b');
      return ZONES;
    };
    await scene.poll();
    scene.now += MINUTE;
    t.match(await scene.poll(), {
      status: 'False',
      reason: 'Failed',
      message: `Scores could not be read of m5: no answer ${printable('\u001b')}.`,
    });
    t.equal(scene.scores.scoreOf('c5.large/us-west-2a', scene.now), 2);
    for (let minute = 0; minute < 10; minute += 1) {
      await scene.poll();
      scene.now += MINUTE;
    }
    t.equal(scene.asked.length, 2);
  },
);

t.test('nothing to ask, no scores, too few types, no AWS: each is said', async (t) => {
  const scene = world();
  scene.nodes = [];
  t.match(await scene.poll(), { status: 'True', reason: 'NothingToAsk' });
  scene.nodes = [spot('p5.48xlarge')];
  t.match(await scene.poll(), { reason: 'NothingToAsk', message: /score of p5 would say nothing/ });
  t.equal(scene.asked.length, 0);
  scene.nodes = [spot('m5.large')];
  scene.answer = async () => ({});
  t.match(await scene.poll(), {
    status: 'False',
    reason: 'NoScores',
    message: /no score of a zone here for m5/,
  });
  scene.now += HOUR;
  scene.answer = async () => {
    throw failure('InvalidAction');
  };
  t.match(await scene.poll(), {
    status: 'False',
    reason: 'NotSupported',
    message: /EC2 of this region has none/,
  });
  const elsewhere = createPlacementSource({
    placementScores: undefined,
    catalogue: async () => scene.catalogue,
    scores: scene.scores,
    most: () => 5,
    requests: placementRequests(scene.registry),
    now: () => scene.now,
  });
  const { condition } = await elsewhere.poll({ nodes: scene.nodes, modelName: '', now: scene.now }, signal);
  t.match(condition, { status: 'False', reason: 'NotConfigured', message: /INSTANCE_TYPES_FILE_PATH/ });
});
