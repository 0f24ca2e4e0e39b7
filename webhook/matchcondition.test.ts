import t from 'tap';
import type { MutatingWebhookConfiguration } from '../api/objects.ts';
import { decideMatchConditions, NEVER_MATCHES, NO_SPOT_RULES } from './matchcondition.ts';

const OTHER = { name: 'has-a-controller', expression: 'true' };

const configuration = (...conditions: readonly object[]): MutatingWebhookConfiguration => ({
  metadata: { name: 'c', resourceVersion: '7' },
  webhooks: [{ name: 'w', clientConfig: {}, ...(conditions.length > 0 && { matchConditions: conditions }) }],
});

const precondition = { op: 'test', path: '/metadata/resourceVersion', value: '7' };
const set = (...value: readonly object[]) => [
  precondition,
  { op: 'add', path: '/webhooks/0/matchConditions', value },
];

const rows: readonly (readonly [string, MutatingWebhookConfiguration, boolean, readonly object[]])[] = [
  [
    'no plan runs: our condition is added, those of others stay',
    configuration(OTHER),
    false,
    set(OTHER, NEVER_MATCHES),
  ],
  ['no plan runs, without conditions: ours is added', configuration(), false, set(NEVER_MATCHES)],
  ['no plan runs, and our condition is set: nothing changes', configuration(OTHER, NEVER_MATCHES), false, []],
  [
    'a plan runs: our condition is removed, those of others stay',
    configuration(OTHER, NEVER_MATCHES),
    true,
    set(OTHER),
  ],
  ['a plan runs, without our condition: nothing changes', configuration(OTHER), true, []],
];
for (const [sentence, current, isRunning, operations] of rows) {
  t.test(sentence, async (t) =>
    t.same(decideMatchConditions(current, { pins: isRunning, sides: !isRunning }), operations),
  );
}

t.test('the webhook for sides is called while rules are in force, plans or not', async (t) => {
  const spot = { name: 'spot.w', clientConfig: {} };
  const both = (...conditions: readonly object[]): MutatingWebhookConfiguration => ({
    metadata: { name: 'c', resourceVersion: '7' },
    webhooks: [
      { ...spot, matchConditions: conditions },
      { name: 'w', clientConfig: {}, matchConditions: [NEVER_MATCHES] },
    ],
  });
  const off = { pins: false, sides: false };
  t.same(decideMatchConditions(both(OTHER, NO_SPOT_RULES), off), []);
  t.same(decideMatchConditions(both(OTHER, NO_SPOT_RULES), { ...off, sides: true }), set(OTHER));
  t.same(decideMatchConditions(both(OTHER), off), set(OTHER, NO_SPOT_RULES));
  t.same(
    decideMatchConditions(both(OTHER, NEVER_MATCHES), { ...off, sides: true }),
    set(OTHER),
    'the condition that a keeper of an earlier release gave it goes',
  );
});
