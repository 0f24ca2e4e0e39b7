import * as make from '../../testing/builders.ts';
import { ADD, checkCases } from '../../testing/decisions.ts';

/** Pods that a plan buys nodes for tolerate their reservation before the first node is ordered. */

const JUST_STARTED = { startTime: make.ago(1) };
const TOLERATES = {
  key: 'scheduling.cast.ai/pod-pinning-preparing',
  operator: 'Exists',
  effect: 'NoSchedule',
} as const;
const tolerating = {
  ...make.pod('web-2'),
  spec: { containers: [], tolerations: [{ key: 'dedicated', operator: 'Exists' as const }, TOLERATES] },
};

checkCases([
  [
    'pending pods get their toleration before a node is ordered',
    make.plan(ADD, JUST_STARTED),
    { pendingPods: [make.pod('web-1'), tolerating] },
    ['tolerate web-1'],
  ],
  [
    'the node is ordered once all of them have it',
    make.plan(ADD, JUST_STARTED),
    { pendingPods: [tolerating] },
    ['create-claim green m5.large'],
  ],
  [
    'the node is ordered all the same when a pod could not get it in time',
    make.plan(ADD, { startTime: make.ago(11) }),
    { pendingPods: [make.pod('web-1')] },
    ['create-claim green m5.large'],
  ],
]);
