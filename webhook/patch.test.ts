import { applyPatch } from 'rfc6902';
import t from 'tap';
import { PIN, PIN_GATE, PIN_HELD, PIN_NODE } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import type { TakeReply } from '../api/pinning.ts';
import type { JsonPatchOperation } from './jsonpatch.ts';
import { pinPatch, unpinPatch } from './patch.ts';
import { makeWebPod } from './testing/reviews.ts';

const ASSIGN: TakeReply = { nodeName: 'node-1', intentId: 'pin/1', plan: 'plan', way: 'assign', reason: '' };
const HOLD: TakeReply = { ...ASSIGN, way: 'hold' };

const patched = (pod: Pod, patch: readonly JsonPatchOperation[]): Pod => {
  const copy = structuredClone(pod);
  const errors = applyPatch(copy, structuredClone(patch) as never).filter(Boolean);
  if (errors.length > 0) throw errors[0];
  return copy;
};

const pods: readonly (readonly [string, Pod])[] = [
  ['without labels and annotations', makeWebPod()],
  ['with others of each', makeWebPod({ metadata: { labels: { app: 'web' }, annotations: { mine: 'yes' } } })],
  [
    'with empty ones',
    makeWebPod({ metadata: { labels: {}, annotations: {} }, spec: { schedulingGates: [] } }),
  ],
];
for (const [what, pod] of pods) {
  t.test(`a pod ${what} is assigned, and unpinned again`, async (t) => {
    const assigned = patched(pod, pinPatch(pod, ASSIGN));
    t.equal(assigned.spec.nodeName, 'node-1');
    t.same(assigned.metadata.annotations, { ...pod.metadata.annotations, [PIN]: 'pin/1' });
    t.same(pinPatch(assigned, ASSIGN), [], 'a second patch is empty');
    const unpinned = patched(assigned, unpinPatch(assigned));
    t.same(unpinned.spec, pod.spec);
    t.same(unpinned.metadata.annotations ?? {}, pod.metadata.annotations ?? {});
  });

  t.test(`a pod ${what} is held, and unpinned again`, async (t) => {
    const held = patched(pod, pinPatch(pod, HOLD));
    t.same(held.spec.schedulingGates, [{ name: PIN_GATE }]);
    t.equal(held.spec.nodeName, undefined);
    t.same(held.metadata.labels, { ...pod.metadata.labels, [PIN_HELD]: 'true' });
    t.same(held.metadata.annotations, { ...pod.metadata.annotations, [PIN]: 'pin/1', [PIN_NODE]: 'node-1' });
    t.same(pinPatch(held, HOLD), [], 'a second patch is empty');
    const unpinned = patched(held, unpinPatch(held));
    t.same(unpinned.spec, { containers: [{ name: 'main' }] }, 'no gate is left');
    t.same(unpinned.metadata.annotations ?? {}, pod.metadata.annotations ?? {});
    t.same(unpinned.metadata.labels ?? {}, pod.metadata.labels ?? {});
  });
}

t.test('a pod that is held for a node without a name yet names no node', async (t) => {
  const pod = makeWebPod();
  const held = patched(pod, pinPatch(pod, { ...HOLD, nodeName: '' }));
  t.same(held.metadata.annotations, { [PIN]: 'pin/1' });
});

t.test('a pod that was assigned and is now held loses its node', async (t) => {
  const assigned = makeWebPod({
    metadata: { annotations: { [PIN]: 'pin/1' } },
    spec: { nodeName: 'node-1' },
  });
  const held = patched(assigned, pinPatch(assigned, HOLD));
  t.notOk('nodeName' in held.spec, 'the API server rejects a pod with both a node and a gate');
  t.same(held.spec.schedulingGates, [{ name: PIN_GATE }]);
});

t.test('a pod that was held and is now assigned loses gate, label and node annotation', async (t) => {
  const pod = makeWebPod();
  const held = patched(pod, pinPatch(pod, HOLD));
  const assigned = patched(held, pinPatch(held, ASSIGN));
  t.equal(assigned.spec.nodeName, 'node-1');
  t.notOk('schedulingGates' in assigned.spec);
  t.same(assigned.metadata.labels, {});
  t.same(assigned.metadata.annotations, { [PIN]: 'pin/1' });
});

t.test('gates of others stay when ours is removed, wherever it is in the list', async (t) => {
  for (const names of [
    [PIN_GATE, 'other'],
    ['other', PIN_GATE],
  ]) {
    const held = makeWebPod({
      metadata: { labels: { [PIN_HELD]: 'true' }, annotations: { [PIN]: 'pin/1' } },
      spec: { schedulingGates: names.map((name) => ({ name })) },
    });
    t.same(patched(held, unpinPatch(held)).spec.schedulingGates, [{ name: 'other' }]);
  }
});
