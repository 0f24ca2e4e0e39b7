import t from 'tap';
import { EVICTION_STATUS } from '../../../api/labels.ts';
import type { Node } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { BLUE, CORDONED, checkCases, DELETE, draining } from '../../testing/decisions.ts';
import { partnersOf } from '../state/evictionrules.ts';

/** What the evictor's plans do otherwise than others. */

const EVICTOR = { ...DELETE, drainReason: 'evictor' as const };
const labelled = (labels: Record<string, string>): Node => ({
  ...CORDONED,
  metadata: { ...CORDONED.metadata, labels: { ...CORDONED.metadata.labels, ...labels } },
});
const ASKED = { 'descheduler.alpha.kubernetes.io/request-evict-only': '' };
const MOVING = { ...ASKED, 'descheduler.alpha.kubernetes.io/eviction-in-progress': 'kubevirt' };
const DRAINING = labelled({ 'autoscaling.cast.ai/draining': 'evictor' });
const on = (node: Node, ...pods: readonly ReturnType<typeof make.pod>[]) => ({
  ...BLUE,
  nodes: new Map([['blue', node]]),
  pods: new Map([['blue', pods]]),
});

checkCases([
  [
    'a node that is empty is marked as evicted',
    make.plan(EVICTOR, draining(), 'PinsReady'),
    on(DRAINING),
    ['mark-evicted node-blue'],
  ],
  [
    'then its NodeClaim is deleted',
    make.plan(EVICTOR, draining(), 'PinsReady'),
    on(labelled({ 'autoscaling.cast.ai/draining': 'evictor', [EVICTION_STATUS]: 'done' })),
    ['delete-claim blue'],
  ],
  [
    'another plan marks no node as evicted',
    make.plan(DELETE, draining(), 'PinsReady'),
    on(CORDONED),
    ['delete-claim blue'],
  ],
  [
    'the eviction of a pod that only wants to be asked is requested',
    make.plan(EVICTOR, draining(), 'PinsReady'),
    on(DRAINING, make.pod('vm', { annotations: ASKED })),
    ['evict vm'],
  ],
  [
    'it is not requested again while the pod is being moved',
    make.plan(EVICTOR, draining(), 'PinsReady'),
    on(DRAINING, make.pod('vm', { annotations: MOVING }), make.pod('web')),
    ['evict web'],
  ],
  [
    'it is not deleted past its request when the drain takes too long',
    make.plan({ ...EVICTOR, aggressiveMode: { aggressiveEviction: true } }, draining(601), 'PinsReady'),
    on(DRAINING, make.pod('vm', { annotations: ASKED }), make.pod('web')),
    ['delete-pod'],
  ],
]);

t.test('a pod is alone without a ready one of its controller on another node', async (t) => {
  const owner = (uid: string) => ({
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid, controller: true }],
  });
  const pod = (name: string, node: string, ready: 'True' | 'False' = 'True', uid = 'rs') => {
    const made = make.pod(name, owner(uid));
    return {
      ...made,
      spec: { ...made.spec, nodeName: node },
      status: { phase: 'Running' as const, conditions: [{ type: 'Ready', status: ready }] },
    };
  };
  const web = pod('a', 'blue');
  const alone = (...others: readonly ReturnType<typeof pod>[]): boolean =>
    partnersOf(web, { by: () => [web, ...others] }).length === 0;
  t.equal(alone(), true);
  t.equal(alone(pod('b', 'green')), false);
  t.equal(alone(pod('b', 'blue')), true, 'the other one would go with it');
  t.equal(alone(pod('b', 'green', 'False')), true, 'the other one is not ready');
  t.equal(alone(pod('b', 'green', 'True', 'other')), true, "another controller's");
});
