import * as make from '../../testing/builders.ts';
import { ADD, checkCases } from '../../testing/decisions.ts';

/** Pods that a plan buys nodes for tolerate their reservation before the first node is ordered. */

const JUST_STARTED = { startTime: make.ago(1) };
const TOLERATES = {
  key: 'scheduling.cast.ai/pod-pinning-preparing',
  operator: 'Equal',
  value: 'green',
  effect: 'NoSchedule',
} as const;
const waits = (name: string, dstNodeClaimName: string) => ({
  name,
  namespace: 'shop',
  srcNode: '',
  dstNodeClaimName,
});
const BUY = { ...ADD, podsToMigrate: [waits('web-1', 'green'), waits('web-2', 'green')] };
const tolerating = {
  ...make.pod('web-2'),
  spec: { containers: [], tolerations: [{ key: 'dedicated', operator: 'Exists' as const }, TOLERATES] },
};

checkCases([
  [
    'pending pods get their toleration before a node is ordered',
    make.plan(BUY, JUST_STARTED),
    { pendingPods: [make.pod('web-1'), tolerating] },
    ['tolerate web-1 green'],
  ],
  [
    'each pod tolerates its own node alone, so that kube-scheduler gives no other node of the plan to it',
    make.plan(
      {
        nodeClaimsToAdd: [make.toAdd('green'), make.toAdd('red')],
        podsToMigrate: [waits('web-1', 'red'), waits('web-2', 'green'), waits('web-3', 'standing')],
      },
      JUST_STARTED,
    ),
    {
      pendingPods: [make.pod('web-1'), make.pod('web-2'), make.pod('web-3')],
      nodeClaims: new Map([['standing', make.nodeClaim('standing')]]),
      nodes: new Map([['standing', make.locked('standing')]]),
    },
    ['tolerate web-1 red', 'tolerate web-2 green'],
  ],
  [
    'the node is ordered once all of them have it',
    make.plan(BUY, JUST_STARTED),
    { pendingPods: [tolerating] },
    ['create-claim green m5.large'],
  ],
  [
    'the node is ordered all the same when a pod could not get it in time',
    make.plan(BUY, { startTime: make.ago(11) }),
    { pendingPods: [make.pod('web-1')] },
    ['create-claim green m5.large'],
  ],
]);
