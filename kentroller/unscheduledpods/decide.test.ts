import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { AWAITS_PLAN } from '../../api/labels.ts';
import type { HorizontalPodAutoscaler, Pod } from '../../api/objects.ts';
import { podName } from '../../api/pods.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { MADE_BY } from '../continuous/decide.ts';
import type { Policies } from '../policies/settings.ts';
import {
  decide,
  type Evaluation,
  type EvaluationState,
  SETTLE_MS,
  UNSCHEDULED_PODS,
  type Watched,
} from './decide.ts';

/** One evaluation, in the order limits, replicas, pods, nodes: each policy alone, and all combinations of them. */

const NOW = Date.parse('2026-11-30T12:00:00Z');
const ago = (ms: number): string => new Date(NOW - ms).toISOString();
const WINDOW = { idleMs: 1_000, maxMs: 10_000 };

const waiting = (name: string, o: Parameters<typeof makePod>[1] = {}, nominated = AWAITS_PLAN): Pod => {
  const pod = makePod(name, o);
  const conditions = [{ type: 'PodScheduled', status: 'False' as const, reason: 'Unschedulable' }];
  return {
    ...pod,
    metadata: { ...pod.metadata, uid: `uid-${name}` },
    status: { phase: 'Pending', conditions, ...(nominated && { nominatedNodeName: nominated }) },
  };
};
const OFF: Policies = {
  enabled: true,
  scopedMode: false,
  clusterLimits: undefined,
  horizontalPodAutoscaler: false,
  unschedulablePods: undefined,
  spotInstances: undefined,
  spotPods: undefined,
  emptyNodes: undefined,
  evictor: undefined,
};
const BUYS = {
  mode: 'plan',
  headroom: undefined,
  headroomSpot: undefined,
  capacityBuffers: false,
  nodeConstraints: undefined,
} as const;
const growing = (kind: string): HorizontalPodAutoscaler => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: { scaleTargetRef: { kind, name: 'grows' }, maxReplicas: 10 },
  status: { currentReplicas: 1, desiredReplicas: 3 },
});
const [GROWING, ROLLOUT] = [growing('Deployment'), growing('Rollout')];
const POD = waiting('p');
/** One node of 3.9 cores. */
const SNAPSHOT = makeSnapshot([makeNode('a')], []);
const heldSince = (ms: number, o: Partial<Watched> = {}): Watched => ({
  seenAt: NOW - ms,
  heldAt: NOW - ms,
  isLate: false,
  ...o,
});

const evaluate = (
  policies: Partial<Policies>,
  o: Partial<EvaluationState> & { readonly pods?: readonly Pod[]; readonly heldFor?: number } = {},
): Evaluation => {
  const { pods = [POD], heldFor = 5_000, ...rest } = o;
  const byName = new Map(pods.map((pod) => [podName(pod), pod]));
  return decide({
    policies: { ...OFF, unschedulablePods: BUYS, ...policies },
    snapshot: { ...SNAPSHOT, pods },
    pending: pods,
    podAt: (name) => byName.get(name),
    catalogue: smallCatalogue,
    autoscalers: [],
    plans: [],
    watched: new Map(pods.map((pod) => [pod.metadata.uid ?? '', heldSince(heldFor)])),
    window: WINDOW,
    isOurs: () => true,
    now: NOW,
    ...rest,
  });
};
const plan = (
  name: string,
  o: { state?: NonNullable<RebalancePlan['status']>['state']; pods?: object[]; ended?: number } = {},
) =>
  ({
    metadata: { name, labels: { [MADE_BY]: UNSCHEDULED_PODS } },
    spec: { execute: true, nodeClaimsToAdd: [], podsToMigrate: o.pods ?? [] },
    status: {
      state: o.state ?? 'Running',
      ...(o.ended !== undefined && { completionTime: ago(o.ended) }),
    },
  }) as RebalancePlan;

t.test('in each combination, limits come first, then replicas, then pods, and nodes last', async (t) => {
  for (let bits = 0; bits < 16; bits += 1) {
    const [isFull, isGrowing, isWaiting, isAtLeast] = [1, 2, 4, 8].map((bit) => (bits & bit) !== 0);
    const { limits, replicas, pods, nodes } = evaluate(
      {
        clusterLimits: { minCores: isAtLeast ? 100 : 0, maxCores: isFull ? 1 : 100 },
        horizontalPodAutoscaler: true,
        emptyNodes: { delayMs: 0 },
      },
      { autoscalers: isGrowing ? [GROWING] : [], pods: isWaiting ? [POD] : [] },
    );
    const says = JSON.stringify({ isFull, isGrowing, isWaiting, isAtLeast });
    t.equal(limits.full !== undefined, isFull, `limits: ${says}`);
    t.equal(replicas.length, isGrowing ? 1 : 0, `replicas: ${says}`);
    const kind = !isWaiting ? 'idle' : isFull ? 'held' : 'buy';
    t.equal(pods.kind, kind, `pods: ${says}`);
    if (pods.kind === 'buy') t.same(pods.replicas, replicas, `they are counted: ${says}`);
    const isKept = isGrowing || kind === 'buy' || isAtLeast;
    t.equal(nodes.keeps !== undefined, isKept, `nodes: ${says}, ${nodes.keeps}`);
  }
});

t.test('a policy that is off decides nothing', async (t) => {
  const { pods, limits, replicas, nodes } = evaluate(
    { unschedulablePods: undefined },
    { autoscalers: [GROWING] },
  );
  t.match({ pods, limits, replicas }, { pods: { kind: 'off' }, limits: { cores: undefined }, replicas: [] });
  t.same(nodes, { spare: Number.POSITIVE_INFINITY });
});

/** Sentence, what is different, what is decided. */
const PODS: readonly (readonly [
  string,
  Parameters<typeof evaluate>[1],
  string,
  RegExp?,
  Partial<Policies>?,
])[] = [
  ['pods are bought for when their window is over', {}, 'buy', /for 1 pods/],
  ['the window is open for a second after the last pod', { heldFor: 900 }, 'wait', /more pods may come/],
  [
    'and for ten seconds after the first',
    { heldFor: 900, watched: new Map([['uid-p', heldSince(900, { seenAt: NOW - 10_000 })]]) },
    'buy',
  ],
  ['a window of 0 is none', { heldFor: 0, window: { idleMs: 0, maxMs: 0 } }, 'buy'],
  [
    'nothing is bought for a pod that Karpenter may still buy for',
    { pods: [waiting('p', {}, '')], watched: new Map([['uid-p', { seenAt: NOW - 5_000, isLate: false }]]) },
    'wait',
    /not nominated yet/,
  ],
  [
    'nor before what it may have begun to buy is seen',
    { watched: new Map([['uid-p', heldSince(SETTLE_MS - 1, { isLate: true })]]) },
    'wait',
    /Karpenter may have begun/,
  ],
  ['then it is', { watched: new Map([['uid-p', heldSince(SETTLE_MS, { isLate: true })]]) }, 'buy'],
  [
    'replicas that are due are counted beside pods',
    { autoscalers: [GROWING] },
    'buy',
    /for 1 pods and 3 replicas to come/,
    { horizontalPodAutoscaler: true },
  ],
  [
    'those of a kind whose template is not known keep the window open',
    { autoscalers: [ROLLOUT] },
    'wait',
    /3 replicas of default\/Rollout\/grows/,
    { horizontalPodAutoscaler: true },
  ],
  [
    'for as long as a window may be',
    { autoscalers: [ROLLOUT], heldFor: 10_000 },
    'buy',
    /for 1 pods/,
    { horizontalPodAutoscaler: true },
  ],
  ['not with that policy off', { autoscalers: [GROWING] }, 'buy'],
  [
    'a pod that a plan has a node for is not bought for again',
    {
      plans: [plan('x', { pods: [{ name: 'p', namespace: 'default', srcNode: '', dstNodeClaimName: 'c' }] })],
    },
    'idle',
  ],
  [
    'it is once that plan has failed',
    {
      plans: [
        plan('x', {
          state: 'Failed',
          ended: 0,
          pods: [{ name: 'p', namespace: 'default', srcNode: '', dstNodeClaimName: 'c' }],
        }),
      ],
    },
    'buy',
  ],
  [
    'after two failed plans nothing is bought for a while',
    { plans: [plan('x', { state: 'Failed', ended: 2_000 }), plan('y', { state: 'Failed', ended: 1_000 })] },
    'left',
    /failed/,
  ],
  [
    'a pod that was left to others waits for its turn',
    { watched: new Map([['uid-p', heldSince(0, { left: { until: NOW + 1, isHeld: false } })]]) },
    'idle',
  ],
  [
    'mode single waits for the node before',
    { plans: [plan('x')] },
    'held',
    /one node is added at a time, and plan x/,
    { unschedulablePods: { ...BUYS, mode: 'single' } },
  ],
  ['mode plan does not', { plans: [plan('x')] }, 'buy'],
  ['a pod that preempted others has its node', { pods: [waiting('p', {}, 'a')] }, 'idle'],
  [
    'a pod of another scheduler is not looked at',
    { pods: [waiting('p', { spec: { schedulerName: 'volcano' } })] },
    'idle',
  ],
  [
    'a gated pod is not looked at',
    { pods: [waiting('p', { spec: { schedulingGates: [{ name: 'x' }] } })] },
    'idle',
  ],
  ['a pod of a DaemonSet is not looked at', { pods: [waiting('p', { owner: 'DaemonSet' })] }, 'idle'],
  ['pods of others are not bought for', { isOurs: () => false }, 'idle'],
  [
    "while no plan would start, pods are Karpenter's",
    { haltedBy: 'no plan starts' },
    'left',
    /no plan starts/,
  ],
];

t.test('pods without a node', async (t) => {
  for (const [says, o, kind, message, policies = {}] of PODS) {
    const { pods } = evaluate(policies, o);
    t.equal(pods.kind, kind, `${says}: ${JSON.stringify(pods)}`);
    if (message) t.match('message' in pods ? pods.message : '', message, says);
  }
});

t.test('a pod in the place of one that a plan bought for counts as that one', async (t) => {
  const pods = ['q', 'r'].map((name) => waiting(name, { owner: 'web' }));
  const [first] = pods;
  const owner = first?.metadata.ownerReferences?.[0];
  const gone = { name: 'gone', namespace: 'default', srcNode: '', dstNodeClaimName: 'c', owner };
  const { waiting: left } = evaluate({}, { pods, plans: [plan('x', { pods: [gone] })] });
  t.same(
    left.map(({ metadata }) => metadata.name),
    ['r'],
    'one of the two has its machine',
  );
});

t.test('machines that plans have not ordered yet count against the limit', async (t) => {
  const planned = {
    metadata: { name: 'c' },
    spec: {
      nodeClassRef: { group: 'g', kind: 'k', name: 'n' },
      requirements: [{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['m5.large'] }],
    },
  };
  const buying = plan('x');
  const plans = [{ ...buying, spec: { ...buying.spec, nodeClaimsToAdd: [planned] } } as RebalancePlan];
  const limits = { clusterLimits: { minCores: 0, maxCores: 5 } };
  t.equal(evaluate(limits).limits.full, undefined);
  t.match(evaluate(limits, { plans }).limits.full, /has 5.9 cores, and may have 5/);
});

t.test('a pod that can not be nominated holds up no other, and nothing is bought for it', async (t) => {
  const pods = [POD, waiting('refused', {}, '')];
  const watched = (seen: number) =>
    new Map<string, Watched>([
      ['uid-p', heldSince(seen)],
      ['uid-refused', { seenAt: NOW - seen, isLate: false }],
    ]);
  t.equal(evaluate({}, { pods, watched: watched(5_000) }).pods.kind, 'wait');
  t.match(evaluate({}, { pods, watched: watched(60_000) }).pods, { kind: 'buy', pods: [POD] });
});
