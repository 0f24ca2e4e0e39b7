import t from 'tap';
import { PIN, PIN_PROBE } from '../api/labels.ts';
import { isProbe, probePatch } from './probe.ts';
import { parseReview } from './review.ts';
import { makeReview, makeWebPod } from './testing/reviews.ts';

const labelled = makeWebPod({ metadata: { labels: { [PIN_PROBE]: 'x' } } });

t.test('a probe is a dry run of a pod with the probe label', async (t) => {
  t.ok(isProbe(parseReview(makeReview(labelled, { dryRun: true }))));
  t.notOk(isProbe(parseReview(makeReview(labelled))), 'it would be created');
  t.notOk(isProbe(parseReview(makeReview(makeWebPod(), { dryRun: true }))), 'it has no label');
  t.notOk(isProbe(parseReview(makeReview(labelled, { dryRun: true, operation: 'UPDATE' }))));
});

t.test('a probe pod is marked with an intent, if the pod pinner knows one', async (t) => {
  t.same(probePatch('pin/1'), [{ op: 'add', path: '/metadata/annotations', value: { [PIN]: 'pin/1' } }]);
  t.same(probePatch(''), []);
});
