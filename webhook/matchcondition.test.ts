import t from 'tap';
import type { MutatingWebhookConfiguration } from '../api/objects.ts';
import { CLOSED, decideDoor } from './matchcondition.ts';

const OTHER = { name: 'has-a-controller', expression: 'true' };

const configuration = (...conditions: readonly object[]): MutatingWebhookConfiguration => ({
  metadata: { name: 'c', resourceVersion: '7' },
  webhooks: [
    { name: 'w', clientConfig: {}, ...(conditions.length > 0 ? { matchConditions: conditions } : {}) },
  ],
});

const test = { op: 'test', path: '/metadata/resourceVersion', value: '7' };
const set = (...value: readonly object[]) => [
  test,
  { op: 'add', path: '/webhooks/0/matchConditions', value },
];

const rows: readonly (readonly [string, MutatingWebhookConfiguration, boolean, readonly object[]])[] = [
  ['no plan runs, and the door is open: closed', configuration(OTHER), false, set(OTHER, CLOSED)],
  ['no plan runs, and there are no conditions: closed', configuration(), false, set(CLOSED)],
  ['no plan runs, and the door is closed: left', configuration(OTHER, CLOSED), false, []],
  ['a plan runs, and the door is closed: opened', configuration(OTHER, CLOSED), true, set(OTHER)],
  ['a plan runs, and the door is open: left', configuration(OTHER), true, []],
];
for (const [says, found, isRunning, operations] of rows) {
  t.test(says, async (t) => t.same(decideDoor(found, isRunning), operations));
}
