import t from 'tap';
import { PIN, PIN_GATE } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import { eligibilityOf } from './eligibility.ts';
import { makeWebPod, OWN_NAMESPACE } from './testing/reviews.ts';

const gates = (...names: readonly string[]) => ({ schedulingGates: names.map((name) => ({ name })) });
const pinned = { annotations: { [PIN]: 'pin/1' } };

const decide = (pod: Pod, namespace = 'work') =>
  eligibilityOf(pod, namespace, { ownNamespace: OWN_NAMESPACE, isOwnerMoved: ({ uid }) => uid === 'moved' });

const eligible: readonly (readonly [string, Pod])[] = [
  ['a new pod of an owner that a plan moves', makeWebPod()],
  ['a pod that an earlier review assigned', makeWebPod({ metadata: pinned, spec: { nodeName: 'node-1' } })],
  ['a pod that an earlier review held', makeWebPod({ metadata: pinned, spec: gates(PIN_GATE, 'other') })],
];
for (const [what, pod] of eligible) {
  t.test(`${what} is eligible`, async (t) => {
    t.match(decide(pod), { kind: 'eligible', owner: { uid: 'moved' } });
  });
}

const skipped: readonly (readonly [string, Pod, string, string?])[] = [
  ['a pod in kube-system', makeWebPod(), 'pods in kube-system are never pinned', 'kube-system'],
  ['a pod in our own namespace', makeWebPod(), 'our own pods are never pinned', OWN_NAMESPACE],
  ['a pod with a node', makeWebPod({ spec: { nodeName: 'mine' } }), 'it already has a node'],
  [
    'a mirror pod',
    makeWebPod({ metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }),
    'it mirrors a static pod',
  ],
  ['a pod without a controller', makeWebPod({ owner: '' }), 'it has no controller'],
  ['a pod of a DaemonSet', makeWebPod({ kind: 'DaemonSet' }), 'a pod of a DaemonSet belongs to its node'],
  ['a static pod', makeWebPod({ kind: 'Node' }), 'a pod of a Node belongs to its node'],
  ['a pod of another owner', makeWebPod({ owner: 'other' }), 'no running plan moves pods of its owner'],
  [
    'a pod that another scheduler places',
    makeWebPod({ spec: { schedulerName: 'volcano' } }),
    'scheduler volcano places it',
  ],
  ['a pod with a gate of others', makeWebPod({ spec: gates('g') }), 'it has scheduling gates of others'],
  ['a pod created with our gate', makeWebPod({ spec: gates(PIN_GATE) }), 'it already has our gate'],
];
for (const [what, pod, reason, namespace] of skipped) {
  t.test(`${what} is skipped`, async (t) => {
    t.same(decide(pod, namespace), { kind: 'skipped', reason });
  });
}
