import { Registry } from 'prom-client';
import t from 'tap';
import { CONFIG_MAPS } from '../../../api/resources.ts';
import type { Logger } from '../../../kube/component/log.ts';
import { MemoryApi } from '../../../kube/testing/memory/api.ts';
import { type Call, memoryClient } from '../../../kube/testing/memory/client.ts';
import { OfferingHistory } from '../evidence.ts';
import { measuredScoreboard } from '../metrics.ts';
import { PlacementScores } from '../placement/scores.ts';
import type { ScoredMachine } from '../score.ts';
import { createHandover } from './handover.ts';
import { createPredictionRecord, PREDICTION_CONFIG_MAP } from './record.ts';

/** What one leader has learned is the next one's: seed 003, spot interruption prediction. */

const START = Date.parse('2026-11-22T12:00:00Z');
const MINUTE = 60_000;
const { signal } = new AbortController();
const where = { name: PREDICTION_CONFIG_MAP, namespace: 'castai-agent' };

/** A cluster with leaders one after the other. */
const cluster = () => {
  const api = new MemoryApi({ now: () => clock.now });
  const clock = { now: START };
  const said: string[] = [];
  const say = (_: object, text: string): void => void said.push(text);
  const log = { info: say, warn: say } as unknown as Logger;
  let fails: (call: Call) => boolean = () => false;
  const client = memoryClient(api, async (call, serve) => {
    if (fails(call)) throw new Error('the server is away');
    return serve();
  });
  return {
    api,
    clock,
    said,
    fail: (when: typeof fails) => {
      fails = when;
    },
    leader: () => {
      const history = new OfferingHistory();
      const placement = new PlacementScores();
      const registry = new Registry();
      const scores = measuredScoreboard(registry);
      const place = { client, namespace: where.namespace, log, now: () => clock.now };
      return {
        history,
        scores,
        placement,
        registry,
        record: createPredictionRecord(place),
        ...createHandover({ ...place, history, scores, placement }),
      };
    },
    stored: () => api.find(CONFIG_MAPS, where)?.data,
  };
};

const machine = (id: string, probability: number, interruptedAt?: number): ScoredMachine => ({
  id,
  predictions: [{ node: id, model: 'builtin', probability }],
  interruptedAt,
});

t.test('scores, alerts and the history of offerings are those of the leader before', async (t) => {
  const { clock, leader, stored } = cluster();
  const first = leader();
  await first.take(signal);
  first.scores.observe([machine('a', 0.9), machine('b', 0.9)], 0.5, clock.now);
  clock.now += MINUTE;
  first.scores.observe([machine('a', 0.9, clock.now), machine('b', 0.9)], 0.5, clock.now);
  first.history.interrupted('m5.large/us-west-2a', 'a', clock.now);
  first.history.riseOf('m5.large/us-west-2a', 0.05, clock.now);
  await first.record.save([], 'one of two', true, signal);
  await first.save(signal);
  t.match(stored(), { outcome: 'one of two', 'learned.json': String }, 'beside what people read');

  clock.now += MINUTE;
  const second = leader();
  await second.take(signal);
  t.same(second.scores.state(), first.scores.state());
  t.equal(
    second.history.interruptionsOf('m5.large/us-west-2a', clock.now),
    first.history.interruptionsOf('m5.large/us-west-2a', clock.now),
  );
  t.equal(
    second.history.riseOf('m5.large/us-west-2a', 0.1, clock.now) > 0.9,
    true,
    'the usual price is known',
  );

  // The alert of the first leader is judged by the second, and the end of a machine is not counted twice.
  second.history.interrupted('m5.large/us-west-2a', 'a', clock.now);
  t.ok(second.history.interruptionsOf('m5.large/us-west-2a', clock.now) <= 1);
  second.scores.observe([machine('a', 0, START + MINUTE), machine('b', 0.9, clock.now)], 0.5, clock.now);
  t.match(second.scores.scores().get('builtin'), { hits: 2, missed: 0 });
  t.match(await second.registry.metrics(), /precision\{model="builtin"\} 1/);
});

t.test('while it can not be read, nothing is overwritten; it is taken over later', async (t) => {
  const { clock, leader, fail, said, stored } = cluster();
  const first = leader();
  await first.take(signal);
  first.history.interrupted('m5.large/us-west-2a', 'a', clock.now);
  await first.save(signal);
  const before = stored();

  fail(({ verb }) => verb === 'get');
  const second = leader();
  await second.take(signal);
  await second.take(signal);
  second.history.interrupted('c5.large/us-west-2b', 'b', clock.now);
  clock.now += 2 * MINUTE;
  await second.save(signal);
  t.same(stored(), before);
  t.equal(said.filter((text) => /could not be read/.test(text)).length, 1, 'said once');
  fail(() => false);
  await second.take(signal);
  t.ok(second.history.interruptionsOf('m5.large/us-west-2a', clock.now) > 0.9);
  t.ok(second.history.interruptionsOf('c5.large/us-west-2b', clock.now) > 0.9, 'with what it saw meanwhile');
  await second.save(signal);
  t.match(stored()?.['learned.json'], /c5\.large.*|m5\.large/);
});

t.test('what is none of ours begins anew, and is written over', async (t) => {
  for (const text of ['{', '[]', '{"history":{"interruptions":[["a",-1,0]]}}', JSON.stringify({ a: 1 })]) {
    const { api, leader, said, stored } = cluster();
    api.create(CONFIG_MAPS, { metadata: where, data: { 'learned.json': text } });
    const next = leader();
    await next.take(signal);
    t.ok(
      said.some((line) => /cannot be parsed/.test(line)),
      text,
    );
    t.same(next.scores.state().scores, []);
    await next.save(signal);
    t.not(stored()?.['learned.json'], text);
  }
});

t.test('it is saved at most once a minute, when it changed, and has a bound', async (t) => {
  const { clock, leader, stored } = cluster();
  const only = leader();
  await only.take(signal);
  await only.save(signal);
  const first = stored();
  only.history.interrupted('m5.large/us-west-2a', 'a', clock.now);
  await only.save(signal);
  t.same(stored(), first, 'not within a minute');
  clock.now += MINUTE;
  await only.save(signal);
  t.notSame(stored(), first);
  // The most that the memory of a process holds, with the longest names that there are.
  const long = 'x'.repeat(60);
  for (let n = 0; n < 3_000; n += 1) {
    only.history.interrupted(`u-24tb1.112xlarge/us-gov-east-1a-${n}`, `${long}-${n}`, clock.now);
    only.history.riseOf(`u-24tb1.112xlarge/us-gov-east-1a-${n}`, 0.123_456_789, clock.now);
  }
  only.scores.observe(
    Array.from({ length: 3_000 }, (_, n) => machine(`${long}-${n}`, 0.9)),
    0.5,
    clock.now,
  );
  clock.now += MINUTE;
  await only.save(signal);
  const text = stored()?.['learned.json'] ?? '';
  t.ok(text.includes('u-24tb1'), 'the largest is saved');
  t.ok(text.length < 600_000, `${text.length} characters`);
  const next = leader();
  await next.take(signal);
  t.same(next.history.state(), only.history.state());
});

t.test('what a leader saw before it could read is kept within the bound', async (t) => {
  const { clock, leader, fail } = cluster();
  const first = leader();
  await first.take(signal);
  for (let n = 0; n < 1_000; n += 1) {
    first.history.interrupted(`m5.large/${n}`, `i-${n}`, clock.now);
    first.history.riseOf(`m5.large/${n}`, 0.05, clock.now);
  }
  await first.save(signal);

  fail(({ verb }) => verb === 'get');
  const second = leader();
  await second.take(signal);
  clock.now += 2 * MINUTE;
  second.history.interrupted('c5.large/own', 'i-own', clock.now);
  second.history.riseOf('c5.large/own', 0.1, clock.now);
  fail(() => false);
  await second.take(signal);
  const { counted, interruptions, usualPrices } = second.history.state();
  for (const list of [counted, interruptions, usualPrices]) {
    t.equal(list.length, 1_000);
    t.match(list[0]?.[0], /[-/]1$/, 'the oldest of the leader before has gone');
    t.match(list.at(-1)?.[0], /own$/, 'its own is the newest');
  }
  await second.save(signal);

  const third = leader();
  await third.take(signal);
  t.same(third.history.state(), second.history.state());
});

t.test('of a document with too many entries the newest are taken over', async (t) => {
  const { api, leader, said } = cluster();
  const many = Array.from({ length: 1_500 }, (_, n) => n);
  const score = { hits: 1, falseAlarms: 0, missed: 0, squares: 0, windows: 0 };
  const faded = many.map((n) => [`m5.large/${n}`, 1, START]);
  const document = {
    history: { interruptions: faded, counted: many.map((n) => [`i-${n}`, START]), usualPrices: faded },
    scores: {
      scores: many.slice(0, 25).map((n) => [`model-${n}`, score]),
      alerts: many.map((n) => ({
        model: 'model-1',
        machine: `i-${n}`,
        since: START,
        probability: 0.9,
        alertAt: START + n,
      })),
      ended: many.map((n) => `i-${n}`),
    },
  };
  api.create(CONFIG_MAPS, { metadata: where, data: { 'learned.json': JSON.stringify(document) } });
  const next = leader();
  await next.take(signal);
  t.notOk(said.some((line) => /cannot be parsed/.test(line)));
  const { counted, interruptions, usualPrices } = next.history.state();
  const { scores, alerts, ended } = next.scores.state();
  for (const list of [counted, interruptions, usualPrices, alerts, ended]) t.equal(list.length, 1_000);
  t.same(counted.at(-1), ['i-1499', START]);
  t.equal(scores.length, 20);
  t.equal(scores.at(-1)?.[0], 'model-24');
});

t.test('after many models the scores of those in use are handed on', async (t) => {
  const { clock, leader } = cluster();
  for (let n = 0; n < 30; n += 1) {
    const next = leader();
    await next.take(signal);
    const predictions = ['builtin', `model-${n}`].map((model) => ({ node: 'a', model, probability: 0.9 }));
    next.scores.observe([{ id: `a-${n}`, predictions, interruptedAt: undefined }], 0.5, clock.now);
    next.scores.observe([{ id: `a-${n}`, predictions, interruptedAt: clock.now }], 0.5, clock.now);
    clock.now += 2 * MINUTE;
    await next.save(signal);
  }
  const last = leader();
  await last.take(signal);
  t.match(last.scores.scores().get('builtin'), { hits: 30 });
  t.ok(last.scores.scores().has('model-29'));
  t.equal(last.scores.state().scores.length, 20);
});

t.test(
  'the next leader asks EC2 for the same configurations, and scores count until they are old',
  async (t) => {
    const { clock, leader, stored, api } = cluster();
    const first = leader();
    await first.take(signal);
    const types = ['m5.2xlarge', 'm5.large', 'm5.xlarge'];
    first.placement.asked('m5', types, clock.now);
    first.placement.answered('m5', [['us-west-2a', 2]], clock.now);
    await first.save(signal);

    clock.now += 10 * MINUTE;
    const second = leader();
    await second.take(signal);
    t.same(second.placement.state(), first.placement.state());
    t.match(second.placement.configurations(clock.now), [{ family: 'm5', types }]);
    t.equal(second.placement.scoreOf('m5.large/us-west-2a', clock.now), 2);
    clock.now += 50 * MINUTE;
    t.equal(second.placement.scoreOf('m5.large/us-west-2a', clock.now), undefined, 'an hour old');

    // A time that is still to come would count for ever.
    const learned = JSON.parse(stored()?.['learned.json'] ?? '');
    learned.placement[0].askedAt = learned.placement[0].readAt = clock.now * 2;
    api.edit(CONFIG_MAPS, where, (map) => ({ ...map, data: { 'learned.json': JSON.stringify(learned) } }));
    const third = leader();
    await third.take(signal);
    clock.now += 24 * 60 * MINUTE;
    t.same(third.placement.configurations(clock.now), []);
    t.equal(third.placement.scoreOf('m5.large/us-west-2a', clock.now), undefined);

    // What an earlier release has learned has no scores.
    delete learned.placement;
    api.edit(CONFIG_MAPS, where, (map) => ({ ...map, data: { 'learned.json': JSON.stringify(learned) } }));
    const fourth = leader();
    await fourth.take(signal);
    t.same(fourth.placement.state(), []);
  },
);
