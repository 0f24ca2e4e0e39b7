import t from 'tap';
import type { MutatingWebhookConfiguration } from '../api/objects.ts';
import { decideMatchConditions, NEVER_MATCHES } from './matchcondition.ts';

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
  t.test(sentence, async (t) => t.same(decideMatchConditions(current, isRunning), operations));
}
