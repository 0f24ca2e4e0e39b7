import t from 'tap';
import { makeNode } from '../../planner/testing/builders.ts';
import { PREDICTION } from '../testing/spotworld.ts';
import { decidePredictions } from './decide.ts';
import { interruptionProbability } from './model.ts';
import { isAbout, markOf, mergeHeard } from './signal.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const nodeWith = (mark: string) => {
  const { node } = makeNode('a', { capacityType: 'spot' });
  const annotations = { 'autoscaling.cast.ai/interruption-prediction': mark };
  return { ...node, metadata: { ...node.metadata, annotations } };
};

/** Sentence, annotation, what is read from it at NOW. */
const CASES: readonly (readonly [string, object, object])[] = [
  ['a time that is past is read', { heard: { stopping: NOW - 1 } }, { heard: { stopping: NOW - 1 } }],
  [
    'the clock of who wrote it may be a little ahead',
    { heard: { interruption: NOW + 30_000 } },
    { heard: { interruption: NOW } },
  ],
  [
    'one far ahead counts as not there',
    { heard: { interruption: 9e15, stopping: NOW } },
    { heard: { stopping: NOW } },
  ],
  [
    'an end of a label within the horizon is read',
    { until: NOW + 60_000 },
    { heard: {}, until: NOW + 60_000 },
  ],
  ['one beyond the horizon is over', { until: 9e15 }, { heard: {}, until: NOW }],
];
for (const [sentence, mark, expected] of CASES) {
  t.test(sentence, async (t) => {
    t.strictSame(markOf(nodeWith(JSON.stringify(mark)), NOW), expected);
  });
}

t.test('a forged interruption of the year 287396 is no interruption, now and a year later', async (t) => {
  const node = nodeWith(JSON.stringify({ heard: { interruption: 9e15 } }));
  for (const now of [NOW, NOW + 365 * 86_400_000]) {
    const heard = mergeHeard(markOf(node, now)?.heard ?? {}, {});
    const evidence = { heard, interruptions: 0, refusals: 0, priceRise: 0 };
    t.ok(interruptionProbability(evidence, now) < 0.1);
  }
});

t.test('the model itself believes no announcement that is still to come', async (t) => {
  const evidence = { heard: { interruption: NOW + 3_600_000 }, interruptions: 0, refusals: 0, priceRise: 0 };
  t.ok(interruptionProbability(evidence, NOW) < 0.1);
});

/** Sentence, label, mark, probability, what is written; undefined where nothing is. */
const CHANGES: readonly (readonly [string, string, object, number, object | undefined])[] = [
  [
    'a label that would stay for ever goes, with its mark',
    'true',
    { heard: { interruption: 9e15 }, until: 9e15 },
    0.1,
    { isLabelled: false, mark: undefined },
  ],
  ['at risk it is renewed', 'true', { heard: {}, until: 9e15 }, 0.9, { isLabelled: true }],
  [
    'a label of somebody else beside what was heard stays as it is',
    'true',
    { heard: { 'rebalance-recommendation': NOW } },
    0.9,
    undefined,
  ],
  [
    'also where nothing is predicted, and nothing is written again and again',
    'true',
    { heard: { 'rebalance-recommendation': NOW } },
    0.1,
    undefined,
  ],
  ['another value of the label stays as well', 'false', { heard: { stopping: NOW } }, 0.9, undefined],
];
for (const [sentence, label, mark, probability, expected] of CHANGES) {
  t.test(sentence, async (t) => {
    const { claim } = makeNode('a', { capacityType: 'spot' });
    const bare = nodeWith(JSON.stringify(mark));
    const labels = { ...bare.metadata.labels, 'autoscaling.cast.ai/predicted-interruption': label };
    const node = { ...bare, metadata: { ...bare.metadata, labels } };
    const prediction = { node: 'a', model: 'm', probability };
    const each = { node, claim, heard: {}, predictions: [], prediction };
    const state = {
      nodes: [each],
      allNodes: [node],
      claims: [],
      plans: [],
      haltedBy: undefined,
      heldBy: () => undefined,
      now: NOW,
    };
    const [change] = decidePredictions(PREDICTION, state).marks;
    if (!expected) return void t.equal(change, undefined);
    t.match(change, expected);
    if ('mark' in expected) t.equal(change?.mark, undefined);
  });
}

t.test(
  'a prediction is of the machine that was asked about, not of the next one with its name',
  async (t) => {
    const { node } = makeNode('a', { capacityType: 'spot' });
    const now = { ...node, metadata: { ...node.metadata, uid: 'new' } };
    const about = { node: 'a', model: 'm', probability: 1 };
    t.equal(isAbout({ ...about, uid: 'new' }, now), true);
    t.equal(isAbout({ ...about, uid: 'old' }, now), false);
    t.equal(isAbout(about, now), true, 'a source that names no machine means the name');
    t.equal(isAbout({ ...about, node: 'b', uid: 'new' }, now), false);
  },
);
