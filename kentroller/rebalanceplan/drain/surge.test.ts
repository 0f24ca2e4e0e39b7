import t from 'tap';
import type { RebalancePlanStatus } from '../../../api/kinds/rebalanceplan.ts';
import { CANCEL, CORDONED_BY, POD_TEMPLATE_HASH, SURGED } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { decide } from '../decide.ts';
import type { Phase } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import type { SurgeState } from '../state/surgerecord.ts';
import { reattachSteps } from './surge.ts';

const DEPLOYMENT = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  name: 'web',
  uid: 'web-uid',
  controller: true,
};
const REPLICA_SET = { name: 'rs', uid: 'rs-uid' };
const ONLY = make.pod('only', {
  labels: { [POD_TEMPLATE_HASH]: 'abc' },
  resourceVersion: '7',
  creationTimestamp: make.ago(100_000),
});
const detachedBy = (plan: string): Pod => ({
  ...ONLY,
  metadata: {
    ...ONLY.metadata,
    labels: {},
    ownerReferences: [{ ...DEPLOYMENT, controller: false }],
    annotations: { [SURGED]: JSON.stringify({ plan, hash: 'abc', replicaSet: REPLICA_SET }) },
  },
});
const DETACHED = detachedBy('plan');
/** What the plan's status says of the pod. */
const RECORD = { namespace: 'shop', name: 'only', uid: 'only-uid', hash: 'abc', replicaSet: REPLICA_SET };
const NONE: SurgeState = { soleReplicas: new Map(), detached: [], succeeded: new Set(), orphaned: new Set() };
const SOLE: SurgeState = {
  ...NONE,
  soleReplicas: new Map([['only-uid', { deployment: DEPLOYMENT, replicaSet: REPLICA_SET }]]),
};
const WAITING: SurgeState = { ...NONE, detached: [DETACHED] };
const SUCCEEDED: SurgeState = { ...WAITING, succeeded: new Set(['only-uid']) };
const ORPHANED: SurgeState = {
  ...WAITING,
  succeeded: new Set(['only-uid']),
  orphaned: new Set(['only-uid']),
};

/** The pod on a node that the plan removes, `seconds` after its drain began. */
const onRemovedNode = (
  pod: Pod,
  surge: SurgeState,
  seconds = 10,
  status: RebalancePlanStatus = {},
): ExecutionState =>
  make.executionState(
    make.plan(
      { nodeClaimsToDelete: [{ nodeClaimName: 'blue' }] },
      {
        detachedPods: [RECORD],
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
            annotations: { [CORDONED_BY]: make.MARK },
            labels: { 'autoscaling.cast.ai/draining': 'rebalancing' },
            spec: { unschedulable: true },
          }),
        ],
      ]),
      pods: new Map([['blue', [pod]]]),
      surge,
    },
  );

/** The pod on a node that stays, `seconds` after the deletion phase began. */
const onKeptNode = (
  pod: Pod | undefined,
  surge: SurgeState,
  seconds = 10,
  status: RebalancePlanStatus = {},
  reached: Phase = 'PinsReady',
): ExecutionState => {
  const plan = make.plan(
    { podsToMigrate: [{ name: 'only', namespace: 'shop', srcNode: 'kept', dstNodeClaimName: 'other' }] },
    { detachedPods: [RECORD], ...status },
    reached,
  );
  const conditions = (plan.status?.conditions ?? []).map((c) => ({
    ...c,
    lastTransitionTime: make.ago(seconds),
  }));
  return make.executionState(
    { ...plan, status: { ...plan.status, conditions } },
    {
      nodeClaims: new Map([['other', make.nodeClaim('other')]]),
      nodes: new Map([['other', make.node('other')]]),
      podsOnKeptNodes: pod ? [pod] : [],
      surge,
    },
  );
};

const SURGE_STEP = {
  kind: 'surge',
  name: 'only',
  resourceVersion: '7',
  record: { plan: 'plan', hash: 'abc', replicaSet: REPLICA_SET },
  owner: { kind: 'Deployment', uid: 'web-uid', controller: undefined },
};
const EVICT = { kind: 'evict', name: 'only' };
const REATTACH = { kind: 'reattach', name: 'only', hash: 'abc', uid: 'only-uid', resourceVersion: '7' };
const DELETE_POD = { kind: 'delete-pod', name: 'only', uid: 'only-uid' };
const ADVANCE = { kind: 'advance', phase: 'NodesDeleted' };

const UNRECORDED: RebalancePlanStatus = { detachedPods: [] };

/** A pod that only says that it is detached. */
const saysDetachedBy = (plan: string): Pod => ({
  ...ONLY,
  metadata: { ...ONLY.metadata, annotations: detachedBy(plan).metadata.annotations ?? {} },
});

for (const plan of ['x', 'plan']) {
  t.test(
    `attack: a pod that says that plan ${plan} detached it keeps no node and fails no plan`,
    async (t) => {
      t.match(decide(onRemovedNode(saysDetachedBy(plan), NONE)).steps, [EVICT]);
      t.match(decide(onRemovedNode(saysDetachedBy(plan), NONE, 10, UNRECORDED)).steps, [EVICT]);
    },
  );
}

t.test('attack: a bare pod that says that the plan detached it is no pod of a ReplicaSet', async (t) => {
  const { steps } = decide(onRemovedNode(DETACHED, NONE, 10, UNRECORDED));
  t.match(steps, [{ kind: 'keep-node', description: /nothing would|no controller|controller/ }]);
  t.same(reattachSteps(onRemovedNode(DETACHED, WAITING, 10, UNRECORDED)), []);
});

t.test('a pod is detached only once the status of the plan says so', async (t) => {
  const [step, ...others] = decide(onRemovedNode(ONLY, SOLE, 10, UNRECORDED)).steps;
  t.match(step, { kind: 'record-surge', pod: RECORD });
  t.same(others, []);
  const stale = { detachedPods: [{ ...RECORD, hash: 'of another revision' }] };
  t.match(decide(onRemovedNode(ONLY, SOLE, 10, stale)).steps, [{ kind: 'record-surge', pod: RECORD }]);
});

const SAME: readonly (readonly [string, Pod, SurgeState, readonly object[]])[] = [
  ["a Deployment's only pod is detached before it is evicted", ONLY, SOLE, [SURGE_STEP]],
  ['a pod without surge is evicted', ONLY, NONE, [EVICT]],
  ['a detached pod stays while its successor is not ready', DETACHED, WAITING, []],
  ['a detached pod is evicted when its successor is ready', DETACHED, SUCCEEDED, [EVICT]],
];
for (const [place, at] of [
  ['removed', onRemovedNode],
  ['kept', onKeptNode],
] as const) {
  for (const [name, pod, surge, expected] of SAME) {
    t.test(`${name} (${place} node)`, async (t) => {
      const { steps } = decide(at(pod, surge));
      t.equal(steps.length, expected.length);
      t.match(steps, expected);
    });
  }
}

t.test('a successor that does not become ready in time fails the drain of a removed node', async (t) => {
  t.match(decide(onRemovedNode(DETACHED, WAITING, 601)).steps, [
    { kind: 'fail', failureReason: 'FailureReasonDrainTimeout' },
  ]);
});

const FAILED: RebalancePlanStatus = { failurePhase: 'Deletion', failureReason: 'FailureReasonDrainTimeout' };
const CANCELED: RebalancePlanStatus = { failurePhase: 'Deletion', failureReason: 'Canceled' };
const cancel = (state: ExecutionState): ExecutionState => {
  const { plan } = state;
  const annotations = { [CANCEL]: 'true' };
  return { ...state, plan: { ...plan, metadata: { ...plan.metadata, annotations } } };
};
const terminating = (pod: Pod): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, deletionTimestamp: make.ago(1) },
});
const THEIRS = detachedBy('other');

const ENDS: readonly (readonly [string, ExecutionState, readonly object[]])[] = [
  [
    'a pod on a kept node is reattached when its successor is not ready in time',
    onKeptNode(DETACHED, WAITING, 601),
    [REATTACH],
  ],
  [
    'a pod on a kept node is reattached when its eviction is never allowed',
    onKeptNode(DETACHED, SUCCEEDED, 601),
    [REATTACH],
  ],
  ['a reattached pod stays and the plan goes on', onKeptNode(ONLY, SOLE, 601), [ADVANCE]],
  [
    'a detached pod whose ReplicaSet was deleted is deleted after its time',
    onKeptNode(DETACHED, ORPHANED, 601),
    [DELETE_POD],
  ],
  ['a failed plan reattaches a pod on a kept node', onKeptNode(DETACHED, WAITING, 10, FAILED), [REATTACH]],
  [
    'a canceled plan reattaches a pod on a kept node',
    onKeptNode(DETACHED, WAITING, 10, CANCELED),
    [REATTACH],
  ],
  [
    'a failed plan reattaches a pod whose node none of the plan names',
    onKeptNode(undefined, WAITING, 10, FAILED),
    [REATTACH],
  ],
  [
    'a failed plan deletes a pod whose ReplicaSet was deleted',
    onKeptNode(DETACHED, ORPHANED, 10, FAILED),
    [DELETE_POD],
  ],
  [
    'a failed plan leaves a pod that another plan detached',
    onKeptNode(THEIRS, NONE, 10, FAILED),
    [{ kind: 'finish', state: 'Failed' }],
  ],
  [
    'a terminating pod is not reattached',
    onKeptNode(undefined, { ...NONE, detached: [terminating(DETACHED)] }, 10, FAILED),
    [{ kind: 'finish', state: 'Failed' }],
  ],
  [
    'a plan is canceled, not finished, while a pod is detached',
    cancel(onKeptNode(DETACHED, WAITING)),
    [{ kind: 'fail', failureReason: 'Canceled' }],
  ],
  [
    'a plan does not finish while a pod is detached',
    onKeptNode(undefined, WAITING, 121, {}, 'NodesDeleted'),
    [REATTACH],
  ],
  [
    'it finishes when none is',
    onKeptNode(undefined, NONE, 121, {}, 'NodesDeleted'),
    [{ kind: 'warn' }, { kind: 'finish', state: 'DoneWithWarnings' }],
  ],
  [
    'a finished plan keeps its finalizer while a pod is detached',
    onKeptNode(undefined, WAITING, 121, { state: 'Failed' }, 'NodesDeleted'),
    [REATTACH],
  ],
  [
    'a finished plan is released when none is',
    onKeptNode(undefined, NONE, 121, { state: 'Failed' }, 'NodesDeleted'),
    [{ kind: 'remove-finalizer' }],
  ],
];

for (const [name, state, expected] of ENDS) {
  t.test(name, async (t) => {
    const { steps } = decide(state);
    t.equal(steps.length, expected.length, steps.map((s) => s.kind).join());
    t.match(steps, expected);
  });
}

t.test('a failed plan reattaches a pod on a node that was to be removed', async (t) => {
  const { steps } = decide(onRemovedNode(DETACHED, WAITING, 601, FAILED));
  t.match(
    steps.find((s) => s.kind === 'reattach'),
    REATTACH,
  );
});

t.test('it deletes the pod when the ReplicaSet was deleted', async (t) => {
  const { steps } = decide(onRemovedNode(DETACHED, ORPHANED, 601, FAILED));
  t.match(
    steps.find((s) => s.kind === 'delete-pod'),
    DELETE_POD,
  );
});

t.test('it leaves a pod that another plan detached', async (t) => {
  const { steps } = decide(onRemovedNode(THEIRS, NONE, 601, FAILED));
  t.notOk(steps.some((s) => s.kind === 'reattach' || s.kind === 'delete-pod'));
});
