import t from 'tap';
import * as make from '../../testing/builders.ts';
import { ADD, attempts, BLUE, checkCases, DELETE, SAVINGS, unavailable } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import { LOCKED_BY } from '../state/labels.ts';

/** Decisions of the creation phase: lock, then order. */

checkCases([
  [
    'nodes are locked first',
    make.plan(DELETE),
    { ...BLUE, nodes: new Map([['blue', make.node('blue')]]) },
    ['lock node-blue'],
  ],
  [
    'a node that Karpenter disrupts fails the plan',
    make.plan(DELETE),
    {
      ...BLUE,
      nodes: new Map([
        [
          'blue',
          make.locked('blue', {
            spec: { taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' }] },
          }),
        ],
      ]),
    },
    ['fail Creation FailureReasonNodeDisrupted'],
  ],
  [
    'the first alternative is ordered',
    make.plan({ ...DELETE, ...ADD }),
    BLUE,
    ['create-claim green m5.large'],
  ],
  [
    'an unavailable alternative is skipped',
    make.plan(ADD),
    { unavailable: [unavailable('m5.large')] },
    ['create-claim green c5.large'],
  ],
  [
    'a plan fails when all alternatives are unavailable',
    make.plan(ADD),
    { unavailable: [unavailable('m5.large'), unavailable('c5.large')] },
    ['fail Creation FailureReasonNodeCreateFailed'],
  ],
  [
    'a missing NodePool fails the plan',
    make.plan(ADD),
    { nodePools: new Map() },
    ['fail Creation FailureReasonNodePoolGone'],
  ],
  [
    'a plan fails whose NodePool is deleted while its machines are on their way',
    make.plan(ADD, attempts({})),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green', {}, false)]]),
      nodePools: new Map(),
    },
    ['fail Creation FailureReasonNodePoolGone'],
  ],
  [
    'a plan that exceeds the limits of a NodePool orders nothing',
    make.plan(ADD, { savings: SAVINGS }),
    { nodePools: new Map([['general', make.nodePool('general', { limits: { cpu: '1' } })]]) },
    ['fail Creation FailureReasonNodePoolLimit'],
  ],
  [
    'no node is added to a static NodePool',
    make.plan(ADD),
    { nodePools: new Map([['general', make.nodePool('general', { replicas: 3 })]]) },
    ['fail Creation FailureReasonStaticNodePool'],
  ],
  [
    'no node of a static NodePool is removed',
    make.plan(DELETE),
    { ...BLUE, nodePools: new Map([['general', make.nodePool('general', { replicas: 3 })]]) },
    ['fail Creation FailureReasonStaticNodePool'],
  ],
  [
    'a NodeClaim that is not ready is waited for',
    make.plan(ADD, attempts({})),
    { nodeClaims: new Map([['green', make.nodeClaim('green', {}, false)]]) },
    [],
  ],
  [
    "Karpenter's reason for a missing NodeClaim is waited for",
    make.plan(ADD, attempts({ timestamp: make.ago(1) })),
    {},
    [],
  ],
  [
    'a lack of capacity is recorded',
    make.plan(ADD, attempts({})),
    { claimFailures: new Map([['green', 'InsufficientCapacityError: none']]) },
    ['attempt-failed green InsufficientCapacityError'],
  ],
  [
    'a NodeClaim without a reason is no lack of capacity',
    make.plan(ADD, attempts({})),
    {},
    ['attempt-failed green the NodeClaim no longer exists'],
  ],
  [
    'attempt 2 takes the next alternative',
    make.plan(ADD, attempts({ status: 'Failed' })),
    {},
    ['create-claim green-attempt-2 c5.large'],
  ],
  [
    'a plan fails when all alternatives were tried',
    make.plan(
      ADD,
      attempts(
        { status: 'Failed' },
        { status: 'Failed', instanceType: 'c5.large', nodeClaimName: 'green-attempt-2' },
      ),
    ),
    {},
    ['fail Creation FailureReasonNodeCreateFailed'],
  ],
  [
    'a ready and initialized node is a success',
    make.plan(ADD, attempts({})),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', make.node('green')]]),
    },
    ['attempt-succeeded green'],
  ],
  [
    'a machine that does not join in time fails its attempt',
    make.plan(ADD, attempts({})),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green', { creationTimestamp: make.ago(601) }, false)]]),
    },
    ['attempt-failed green the machine did not join within 600 s'],
  ],
  [
    'pods are deleted from a placeholder before its NodeClaim',
    make.plan(ADD, attempts({ status: 'Failed' })),
    {
      nodeClaims: new Map([
        ['green', make.nodeClaim('green', { annotations: make.reservedBy(make.MARK) }, false)],
      ]),
      nodes: new Map([['green', make.node('green', { ready: false })]]),
      pods: new Map([['green', [make.pod('web-1')]]]),
    },
    ['create-claim green-attempt-2 c5.large', 'remove-pod web-1'],
  ],
  [
    'creation ends when all nodes are ready',
    make.plan(ADD, attempts({ status: 'Success' })),
    {
      nodeClaims: new Map([['green', make.nodeClaim('green')]]),
      nodes: new Map([['green', make.node('green')]]),
    },
    ['advance NodesCreated'],
  ],
]);

t.test("a NodeClaim is like Karpenter's own, plus reservation and do-not-disrupt", async (t) => {
  const [step] = decide(make.executionState(make.plan(ADD))).steps;
  t.equal(step?.kind, 'create-claim');
  if (step?.kind !== 'create-claim') return;
  const { metadata, spec } = step.claim;
  t.match(metadata.labels, {
    'karpenter.sh/nodepool': 'general',
    'karpenter.k8s.aws/ec2nodeclass': 'default',
    'autoscaling.cast.ai/rebalance-plan': 'plan',
    team: 'a',
  });
  t.match(metadata.annotations, {
    'karpenter.sh/nodepool-hash': '1',
    'karpenter.sh/nodepool-hash-version': 'v3',
    'karpenter.sh/do-not-disrupt': 'true',
  });
  t.match(metadata.ownerReferences, [{ kind: 'NodePool', uid: 'general-uid', blockOwnerDeletion: true }]);
  t.same(
    spec.taints?.map((taint) => taint.key),
    ['dedicated', 'scheduling.cast.ai/pod-pinning-preparing'],
  );
  t.equal(spec.expireAfter, '720h');
  t.notOk(LOCKED_BY in (metadata.annotations ?? {}));
});
