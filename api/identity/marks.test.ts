import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { EVICTION_STATUS, SPOT_FALLBACK } from '../labels.ts';
import { MARKS_OF_OUR_OBJECTS, marksOn, OUR_MARKS, USER_MARKS, withoutMarks } from './marks.ts';

const ROOMS = ['api', 'kube', 'planner', 'cloud', 'extender', 'webhook', 'kentroller', 'cli'];
const root = join(import.meta.dirname, '..', '..');
const NAME = /'([a-z.]*cast\.ai\/[A-Za-z-]+)'/g;
/** The group with its version, in the place of a mark. */
const NO_MARK = new Set(['autoscaling.cast.ai/v1alpha']);

const sources = ROOMS.flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes('/testing/') && path !== join(root, 'api', 'identity', 'marks.ts')),
);

t.test(
  'each name of our domain in the sources is known: removed by the clean-up, or left with a reason',
  async (t) => {
    const known = new Set<string>([
      ...Object.values(OUR_MARKS).flat(),
      ...USER_MARKS,
      ...MARKS_OF_OUR_OBJECTS,
    ]);
    const found = new Set<string>();
    for (const path of sources) {
      for (const [, name = ''] of readFileSync(path, 'utf8').matchAll(NAME))
        if (!NO_MARK.has(name)) found.add(name);
    }
    t.ok(found.size > 20, `${found.size} names were found`);
    t.strictSame(
      [...found].filter((name) => !known.has(name)),
      [],
      'add it to api/identity/marks.ts',
    );
    t.strictSame(
      [...known].filter((name) => !found.has(name)),
      [],
      'api/identity/marks.ts names nothing that is gone',
    );
  },
);

t.test('marks of ours are removed, those of users stay', async (t) => {
  const metadata = {
    labels: Object.fromEntries([...OUR_MARKS.labels, ...USER_MARKS, 'app'].map((name) => [name, 'true'])),
    annotations: Object.fromEntries([...OUR_MARKS.annotations, ...USER_MARKS].map((name) => [name, 'x'])),
  };
  metadata.annotations['autoscaling.cast.ai/interruption-prediction'] = '{"until":1}';
  const ours = { [OUR_MARKS.labels[0]]: 'rebalancing', [EVICTION_STATUS]: 'done' };
  const rebalancing = { metadata: { ...metadata, labels: { ...metadata.labels, ...ours } } };
  t.strictSame(marksOn(rebalancing).toSorted(), [...OUR_MARKS.labels, ...OUR_MARKS.annotations].toSorted());
  t.notOk(marksOn({ metadata }).includes(OUR_MARKS.labels[0]), 'a node that another product drains stays so');
  t.equal(withoutMarks({ metadata: { labels: { app: 'x' } } }), undefined);
});

t.test('a label with a value that we never write is somebody else’s', async (t) => {
  for (const label of [SPOT_FALLBACK, EVICTION_STATUS])
    t.same(marksOn({ metadata: { labels: { [label]: 'whatever' } } }), [], label);
  t.same(
    marksOn({ metadata: { labels: { [SPOT_FALLBACK]: 'true', [EVICTION_STATUS]: 'done' } } }).toSorted(),
    [EVICTION_STATUS, SPOT_FALLBACK],
  );
});

t.test('a label of a prediction is ours only beside an annotation that says so', async (t) => {
  const labels = { 'autoscaling.cast.ai/predicted-interruption': 'true' };
  t.equal(withoutMarks({ metadata: { labels } }), undefined, 'another product, or a user, put it there');
  const name = 'autoscaling.cast.ai/interruption-prediction';
  for (const mark of ['{}', '{"heard":{"rebalance-recommendation":1}}', 'spoiled', '7', 'null'])
    t.same(marksOn({ metadata: { labels, annotations: { [name]: mark } } }), [name], mark);
  const annotations = { [name]: '{"heard":{},"until":1}' };
  t.same(marksOn({ metadata: { labels, annotations } }), [
    ...Object.keys(labels),
    ...Object.keys(annotations),
  ]);
});
