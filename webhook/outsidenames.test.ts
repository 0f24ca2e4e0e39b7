import t from 'tap';
import type { Pod } from '../api/objects.ts';
import { pinPatch } from './patch.ts';
import { makeWebPod } from './testing/reviews.ts';
import { trimPod } from './trimpod.ts';

const NAMES = Object.getOwnPropertyNames(Object.prototype);
const REPLY = { nodeName: 'n', intentId: 'pin/1', plan: 'plan', way: 'hold', reason: '' } as const;

t.test('the pinner is sent the labels and selectors of a pod, whatever their names', async (t) => {
  const own = Object.fromEntries(NAMES.map((name) => [name, 'x']));
  const pod = makeWebPod({ metadata: { labels: own }, spec: { nodeSelector: own } });
  const sent = JSON.parse(trimPod(pod)) as Pod;
  t.same(Object.entries(sent.metadata.labels ?? {}), Object.entries(pod.metadata.labels ?? {}));
  t.same(Object.entries(sent.spec.nodeSelector ?? {}), Object.entries(own));
});

t.test('a patch writes no entry because of the names that a pod has', async (t) => {
  const plain = makeWebPod({ metadata: { labels: { plain: 'x' }, annotations: { plain: 'x' } } });
  for (const name of NAMES) {
    const own = Object.fromEntries([[name, 'x']]);
    const pod = makeWebPod({ metadata: { labels: own, annotations: own } });
    t.same(pinPatch(pod, REPLY), pinPatch(plain, REPLY), name);
  }
});
