import t from 'tap';
import { ASK_EVERY_MS, decidePlacement, type PlacementState } from './decide.ts';
import type { Configuration } from './scores.ts';

/** Which families EC2 is asked for, within the configurations that an account may ask for in a day. */

const NOW = 1_000_000_000;
const typesOf = (family: string): string[] =>
  ['2xlarge', 'large', 'xlarge'].map((size) => `${family}.${size}`);
const known = (family: string, o: Partial<Configuration> = {}): Configuration => ({
  family,
  types: typesOf(family),
  askedAt: NOW - ASK_EVERY_MS,
  scores: [],
  ...o,
});
const decide = (o: Partial<PlacementState>) =>
  decidePlacement({
    inUse: ['m5', 'c5', 'r5'],
    types: new Map(['m5', 'c5', 'r5'].map((family) => [family, typesOf(family)])),
    known: [],
    most: 10,
    noNewBefore: 0,
    now: NOW,
    ...o,
  });
const asks = (o: Partial<PlacementState>): readonly string[] =>
  decide(o).questions.map(({ family }) => family);

t.test('each family in use is asked for, again after a quarter of an hour', async (t) => {
  t.same(asks({}), ['m5', 'c5', 'r5']);
  t.same(asks({ known: [known('m5'), known('c5', { askedAt: NOW - ASK_EVERY_MS + 1 })] }), ['m5', 'r5']);
});

t.test('a configuration is asked for as it was, though AWS sells more types by now', async (t) => {
  const { questions } = decide({ inUse: ['m5'], known: [known('m5', { types: ['m5.a', 'm5.b', 'm5.c'] })] });
  t.same(questions, [{ family: 'm5', types: ['m5.a', 'm5.b', 'm5.c'] }]);
  t.same(asks({ inUse: ['m5'], types: new Map(), known: [known('m5')] }), ['m5'], 'or cannot be read now');
});

t.test('no more than so many within a day, those out of use counted; what is known goes first', async (t) => {
  const few = decide({ most: 2 });
  t.match(few, { asked: ['m5', 'c5'], leftOut: ['r5'] });
  const used = decide({ most: 2, known: [known('p4'), known('r5')] });
  t.match(used, { asked: ['r5'], leftOut: ['m5', 'c5'] });
  t.same(asks({ most: 1, known: [known('m5'), known('c5')] }), ['m5'], 'a setting that was lowered holds');
});

t.test('while AWS takes no new configuration, the known ones go on', async (t) => {
  const decision = decide({ known: [known('c5')], noNewBefore: NOW + 1 });
  t.match(decision, { asked: ['c5'], waiting: ['m5', 'r5'], leftOut: [] });
  t.same(
    decision.questions.map(({ family }) => family),
    ['c5'],
  );
  t.same(asks({ known: [known('c5')], noNewBefore: NOW }), ['c5', 'm5', 'r5']);
});

t.test('a family with too few types for a score is not asked for', async (t) => {
  const decision = decide({ inUse: ['p5', 'm5'] });
  t.match(decision, { asked: ['m5'], tooFew: ['p5'] });
});
