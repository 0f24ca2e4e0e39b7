import t from 'tap';
import type { RebalancePlanStatus } from '../../../api/kinds/rebalanceplan.ts';
import { POD_TEMPLATE_HASH, SURGED } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { decide } from '../decide.ts';
import { CORDONED_BY } from '../state/labels.ts';
import type { World } from '../state/state.ts';
import type { SurgeView } from './surge.ts';

const DEPLOYMENT = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  name: 'web',
  uid: 'web-uid',
  controller: true,
};
const REPLICA_SET = { name: 'rs', uid: 'rs-uid' };
const ONLY = make.pod('only', { labels: { [POD_TEMPLATE_HASH]: 'abc' }, resourceVersion: '7' });
const LET_GO: Pod = {
  ...ONLY,
  metadata: {
    ...ONLY.metadata,
    labels: {},
    ownerReferences: [{ ...DEPLOYMENT, controller: false }],
    annotations: { [SURGED]: JSON.stringify({ plan: 'plan', hash: 'abc', replicaSet: REPLICA_SET }) },
  },
};
const NONE: SurgeView = { singles: new Map(), succeeded: new Set(), forsaken: new Set() };
const SINGLE: SurgeView = {
  ...NONE,
  singles: new Map([['only-uid', { deployment: DEPLOYMENT, replicaSet: REPLICA_SET }]]),
};

const drained = (pod: Pod, surge: SurgeView, seconds = 10, status: RebalancePlanStatus = {}): World =>
  make.world(
    make.plan(
      { nodeClaimsToDelete: [{ nodeClaimName: 'blue' }] },
      {
        nodesDeletion: {
          blue: { name: 'blue', events: [{ status: 'InProgress', timestamp: make.ago(seconds) }] },
        },
        ...status,
      },
      'PinsReady',
    ),
    {
      nodeClaims: new Map([['blue', make.nodeClaim('blue')]]),
      nodes: new Map([
        [
          'blue',
          make.locked('blue', {
            annotations: { [CORDONED_BY]: 'plan' },
            labels: { 'autoscaling.cast.ai/draining': 'rebalancing' },
            spec: { unschedulable: true },
          }),
        ],
      ]),
      pods: new Map([['blue', [pod]]]),
      surge,
    },
  );

const CASES: readonly (readonly [string, World, readonly object[]])[] = [
  [
    'the only pod of a Deployment is let go by its ReplicaSet before it is evicted',
    drained(ONLY, SINGLE),
    [
      {
        kind: 'surge',
        name: 'only',
        resourceVersion: '7',
        record: { plan: 'plan', hash: 'abc', replicaSet: REPLICA_SET },
        owner: { kind: 'Deployment', uid: 'web-uid', controller: undefined },
      },
    ],
  ],
  ['where nobody asked for it, it is evicted', drained(ONLY, NONE), [{ kind: 'evict', name: 'only' }]],
  ['a pod that was let go stays while its successor is not ready', drained(LET_GO, NONE), []],
  [
    'and is evicted when it is',
    drained(LET_GO, { ...NONE, succeeded: new Set(['only-uid']) }),
    [{ kind: 'evict', name: 'only' }],
  ],
  [
    'a successor that never gets ready ends the plan',
    drained(LET_GO, NONE, 601),
    [{ kind: 'fail', failureReason: 'FailureReasonDrainTimeout' }],
  ],
];

for (const [name, world, expected] of CASES) {
  t.test(name, async (t) => {
    const { steps } = decide(world);
    t.equal(steps.length, expected.length);
    t.match(steps, expected);
  });
}

const FAILED: RebalancePlanStatus = { failurePhase: 'Deletion', failureReason: 'FailureReasonDrainTimeout' };

t.test('a failed plan gives the pod back to its ReplicaSet', async (t) => {
  const { steps } = decide(drained(LET_GO, NONE, 601, FAILED));
  t.match(
    steps.find((s) => s.kind === 'unsurge'),
    { name: 'only', hash: 'abc', uid: 'only-uid' },
  );
});

t.test('one that its ReplicaSet let go and that is gone itself is not left behind', async (t) => {
  const { steps } = decide(drained(LET_GO, { ...NONE, forsaken: new Set(['only-uid']) }, 601, FAILED));
  t.match(
    steps.find((s) => s.kind === 'delete-pod'),
    { name: 'only', uid: 'only-uid' },
  );
});

t.test('what another plan let go is left to that plan', async (t) => {
  const theirs = { plan: 'other', hash: 'abc', replicaSet: REPLICA_SET };
  const metadata = { ...LET_GO.metadata, annotations: { [SURGED]: JSON.stringify(theirs) } };
  const { steps } = decide(drained({ ...LET_GO, metadata }, NONE, 601, FAILED));
  t.notOk(steps.some((s) => s.kind === 'unsurge' || s.kind === 'delete-pod'));
});
