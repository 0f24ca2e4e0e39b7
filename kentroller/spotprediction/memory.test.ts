import t from 'tap';
import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import { availabilityCheck } from '../cloud/availability.ts';
import type { AssessedNode } from './decide.ts';
import { offeringsToRemember } from './memory.ts';
import type { Heard } from './signal.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const MINUTE = 60_000;

const assessed = (heard: Heard = {}, capacityType = 'spot'): AssessedNode => ({
  ...makeNode('a', { type: 'm5.large', capacityType }),
  heard,
  predictions: [],
  prediction: { node: 'a', model: 'm', probability: 0.9 },
});
const record = (reason: UnavailableOffering['spec']['reason'], minutes: number): UnavailableOffering => ({
  metadata: { name: 'm5.large-us-west-2a-spot' },
  spec: {
    instanceType: 'm5.large',
    zone: 'us-west-2a',
    capacityType: 'spot',
    reason,
    expiresAt: new Date(NOW + minutes * MINUTE).toISOString(),
  },
});
const TAKEN: Heard = { interruption: NOW - MINUTE };

/** Sentence, node, whether it is at risk, the record that there is, the reason that is written. */
const CASES: readonly (readonly [string, AssessedNode, boolean, UnavailableOffering | undefined, string?])[] =
  [
    ['what is at risk is remembered', assessed(), true, undefined, 'SpotInterruptionPredicted'],
    ['what is not, is not', assessed(), false, undefined],
    [
      'a seen interruption outweighs a prediction',
      assessed(TAKEN),
      true,
      undefined,
      'SpotInterruptionObserved',
    ],
    [
      'also one that is remembered as predicted',
      assessed(TAKEN),
      true,
      record('SpotInterruptionPredicted', 25),
      'SpotInterruptionObserved',
    ],
    ['an interruption counts once', assessed(TAKEN), true, record('SpotInterruptionObserved', 25)],
    ['a prediction is not written each minute', assessed(), true, record('SpotInterruptionPredicted', 20)],
    [
      'it is renewed after half of its time',
      assessed(),
      true,
      record('SpotInterruptionPredicted', 14),
      'SpotInterruptionPredicted',
    ],
    ['it shortens no refusal of the cloud', assessed(), true, record('InsufficientCapacityError', 60)],
    ['an old interruption is over', assessed({ interruption: NOW - 31 * MINUTE }), false, undefined],
    [
      'a machine that a user ends says nothing of its offering',
      assessed({ terminating: NOW }),
      false,
      undefined,
    ],
    ['nor does one that is not spot', assessed(TAKEN, 'reserved'), true, undefined],
  ];
for (const [sentence, node, isAtRisk, known, reason] of CASES) {
  t.test(sentence, async (t) => {
    const found = offeringsToRemember([node], isAtRisk ? [node] : [], () => known, NOW);
    t.same(
      found.map((spec) => spec.reason),
      reason ? [reason] : [],
    );
  });
}

t.test('what is remembered can not be bought in its zone until it expires', async (t) => {
  const offering = { instanceType: 'm5.large', capacityType: 'spot', zone: 'us-west-2a' };
  const at = (now: number, o: object = {}) =>
    availabilityCheck([record('SpotInterruptionPredicted', 30)], new Map(), now)({ ...offering, ...o });
  t.notOk(at(NOW));
  t.ok(at(NOW, { zone: 'us-west-2b' }));
  t.ok(at(NOW, { capacityType: 'on-demand' }));
  t.ok(at(NOW + 30 * MINUTE));
});
