import t from 'tap';
import type { KubeEvent } from '../../../api/objects.ts';
import { makeNode } from '../../../planner/testing/builders.ts';
import { signalsIn } from './karpenterevents.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const made = makeNode('a', { capacityType: 'spot' });
const node = { ...made.node, metadata: { ...made.node.metadata, uid: 'node-uid' } };
const claim = { ...made.claim, metadata: { ...made.claim.metadata, uid: 'claim-uid' } };

const event = (
  reason: string,
  o: { kind?: string; name?: string; uid?: string; seconds?: number } = {},
): KubeEvent => ({
  metadata: { name: 'e', namespace: 'default' },
  involvedObject: { kind: o.kind ?? 'Node', name: o.name ?? 'a', uid: o.uid ?? 'node-uid' },
  reason,
  lastTimestamp: new Date(NOW - (o.seconds ?? 10) * 1000).toISOString(),
});

/** Sentence, event, the signal's kind and age in seconds, none where undefined. */
const CASES: readonly (readonly [string, KubeEvent, string?, number?])[] = [
  ['a recommendation about the node', event('SpotRebalanceRecommendation'), 'rebalance-recommendation', 10],
  [
    'a recommendation about its NodeClaim',
    event('SpotRebalanceRecommendation', { kind: 'NodeClaim', name: 'claim-a', uid: 'claim-uid' }),
    'rebalance-recommendation',
    10,
  ],
  ['an interruption', event('SpotInterrupted'), 'interruption', 10],
  [
    'the end of a reservation',
    event('CapacityReservationInstanceInterrupted'),
    'reservation-interruption',
    10,
  ],
  ['a machine that stops', event('InstanceStopping'), 'stopping', 10],
  ['a machine that ends', event('InstanceTerminating'), 'terminating', 10],
  ['another reason says nothing', event('DisruptionBlocked')],
  ['nor does a reason that objects inherit', event('constructor')],
  ['nor an earlier machine of that name', event('SpotInterrupted', { uid: 'another-uid' })],
  ['nor what is older than the horizon', event('SpotInterrupted', { seconds: 30 * 60 })],
  ['a clock ahead of ours is not believed', event('SpotInterrupted', { seconds: -500 }), 'interruption', 0],
];
for (const [sentence, given, kind, age] of CASES) {
  t.test(sentence, async (t) => {
    const expected = kind ? [{ node: 'a', kind, at: NOW - (age ?? 0) * 1000 }] : [];
    t.same(signalsIn([given], [{ node, claim }], NOW), expected);
  });
}
