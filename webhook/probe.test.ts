import t from 'tap';
import { PIN, PIN_PROBE } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import { isProbe, probePatch } from './probe.ts';
import { parseReview } from './review.ts';
import { makeReview, makeWebPod, OWN_NAMESPACE } from './testing/reviews.ts';

const labelled = makeWebPod({ metadata: { labels: { [PIN_PROBE]: 'x' } } });

t.test('a probe is a dry run of a pod with the probe label in our own namespace', async (t) => {
  const isOurs = (pod: Pod, request: object): boolean =>
    isProbe(parseReview(makeReview(pod, { namespace: OWN_NAMESPACE, ...request })), OWN_NAMESPACE);
  t.ok(isOurs(labelled, { dryRun: true }));
  t.notOk(isOurs(labelled, {}), 'it would be created');
  t.notOk(isOurs(makeWebPod(), { dryRun: true }), 'it has no label');
  t.notOk(isOurs(labelled, { dryRun: true, operation: 'UPDATE' }));
  t.notOk(isOurs(labelled, { dryRun: true, namespace: 'work' }), 'it is not in our namespace');
});

t.test('a probe pod is marked, if the pod pinner knows an intent', async (t) => {
  t.same(probePatch(true), [{ op: 'add', path: '/metadata/annotations', value: { [PIN]: 'known' } }]);
  t.same(probePatch(false), []);
});
