import t from 'tap';
import type { PlanState, RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { HorizontalPodAutoscaler, Node, NodeClaim, Pod, ReplicaSet } from '../../api/objects.ts';
import { podRequests } from '../../planner/scheduling/noderesources.ts';
import { makePod } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { MADE_BY } from '../continuous/decide.ts';
import { meetsConstraints, withinConstraints } from './buying/constraints.ts';
import { backoffUntil, UNSCHEDULED_PODS } from './decide.ts';
import { headroomOf, headroomPods } from './headroom.ts';
import { dueReplicas } from './replicas.ts';

/** Headroom, node constraints, replicas to come and the wait after failed plans, each by itself. */

const GIB = 1_024 ** 3;
const TEN = { cpuPercentage: 10, memoryPercentage: 10 };
const OFF = {
  mode: 'plan',
  headroom: undefined,
  headroomSpot: undefined,
  capacityBuffers: false,
  nodeConstraints: undefined,
} as const;
const worker = (
  name: string,
  o: { spot?: true; labels?: Record<string, string>; cordoned?: true } = {},
): Node => ({
  metadata: {
    name,
    labels: { 'karpenter.sh/capacity-type': o.spot ? 'spot' : 'on-demand', ...o.labels },
  },
  spec: { providerID: `id-${name}`, ...(o.cordoned && { unschedulable: true }) },
  status: { capacity: { cpu: '2', memory: '4Gi' }, allocatable: { cpu: '1', memory: '1Gi' } },
});
const TWO = { nodes: [worker('a'), worker('b')], nodeClaims: [] };

t.test("the seed's example: 10 % of two workers of 2 cores and 4 GiB is 0.4 cores and 819 MB", async (t) => {
  const { onDemand } = headroomOf({ ...OFF, headroom: TEN }, TWO);
  t.equal(onDemand?.milliCpu, 400);
  t.equal(Math.floor((onDemand?.bytes ?? 0) / 1_024 ** 2), 819);
  const [pod, ...others] = headroomPods({ ...OFF, headroom: TEN }, TWO);
  t.same(others, []);
  t.same(pod && [...podRequests(pod)].filter(([resource]) => resource !== 'pods'), [
    ['cpu', 400],
    ['memory', Math.ceil((8 * GIB) / 10)],
  ]);
});

t.test('headroom is of the capacity of workers that take pods, on spot nodes apart', async (t) => {
  const leaving: NodeClaim = {
    metadata: { name: 'claim', deletionTimestamp: '2026-01-01T00:00:00Z' },
    spec: { nodeClassRef: { group: 'g', kind: 'k', name: 'n' }, requirements: [] },
    status: { providerID: 'id-leaving' },
  };
  const cluster = {
    nodes: [
      ...TWO.nodes,
      worker('spot', { spot: true }),
      worker('cordoned', { cordoned: true }),
      worker('leaving'),
      worker('cp', { labels: { 'node-role.kubernetes.io/control-plane': '' } }),
    ],
    nodeClaims: [leaving],
  };
  const both = { ...OFF, headroom: TEN, headroomSpot: { cpuPercentage: 50, memoryPercentage: 0 } };
  t.match(headroomOf(both, cluster), { onDemand: { milliCpu: 400 }, spot: { milliCpu: 1_000, bytes: 0 } });
  const operators = headroomPods(both, cluster).map(
    ({ spec }) =>
      spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms[0]
        ?.matchExpressions?.[0]?.operator,
  );
  t.same(operators, ['NotIn', 'In']);
  t.same(headroomPods(OFF, cluster), [], 'none while it is off');
});

t.test('large headroom comes in pieces that fit on nodes, and sums up to no less', async (t) => {
  const nodes = Array.from({ length: 100 }, (_, n) => worker(`n-${n}`));
  const pods = headroomPods({ ...OFF, headroom: TEN }, { nodes, nodeClaims: [] });
  t.equal(pods.length, 20);
  const sum = (resource: string): number =>
    pods.reduce((n, pod) => n + (podRequests(pod).get(resource) ?? 0), 0);
  t.ok(sum('cpu') >= 20_000 && sum('memory') >= 40 * GIB);
});

/** A machine of so many cores and GiB; `sold` is its memory in MiB before the hypervisor's part. */
const typeOf = (cpu: number, gib: number, sold?: number) => ({
  name: 't',
  arch: 'amd64',
  os: ['linux'],
  labels: sold === undefined ? {} : { 'karpenter.k8s.aws/instance-memory': String(sold) },
  capacity: { cpu: cpu * 1_000, memory: gib * GIB, pods: 58, ephemeralStorage: 0, other: {} },
  overhead: { cpu: 0, memory: 0, pods: 0, ephemeralStorage: 0, other: {} },
  offerings: [],
});

t.test('node constraints bound cores, memory and their ratio', async (t) => {
  const bounds = { minCpuCores: 0, maxCpuCores: 32, minRamMib: 2_048, maxRamMib: 262_144 };
  type Case = readonly [says: string, type: ReturnType<typeof typeOf>, meets: boolean, o?: object];
  const cases: readonly Case[] = [
    ['1:2', typeOf(4, 8), true],
    ['1:4', typeOf(4, 16), true],
    ['1:8', typeOf(4, 32), true],
    ['1:3', typeOf(4, 12), false],
    ['1:16', typeOf(4, 64), false],
    ['1:4, less what the hypervisor takes', typeOf(4, 16 * 0.925), true],
    ['1:4 by what was sold', typeOf(4, 14.8, 16_384), true],
    ['1:3 by what was sold', typeOf(4, 14.8, 12_288), false],
    ['too many cores', typeOf(64, 256), false],
    ['too few cores', typeOf(2, 8), false, { minCpuCores: 4 }],
    ['too little memory', typeOf(1, 2), false, { minRamMib: 4_096 }],
    ['exactly the least memory', typeOf(4, 14.8, 16_384), true, { minRamMib: 16_384 }],
    ['too much memory', typeOf(4, 32), false, { maxRamMib: 16_384 }],
  ];
  for (const [says, type, meets, o] of cases)
    t.equal(meetsConstraints(type, { ...bounds, ...o }), meets, says);
  const only = withinConstraints(smallCatalogue, { ...bounds, minCpuCores: 4, maxCpuCores: 4 });
  const sizes = only.instanceTypes
    .filter(({ offerings }) => offerings.some(({ available }) => available))
    .map(({ capacity }) => capacity.cpu);
  t.ok(sizes.length > 0);
  t.ok(sizes.every((cpu) => cpu === 4_000));
  t.equal(only.instanceTypes.length, smallCatalogue.instanceTypes.length, 'prices of the others stay');
});

t.test('seed 002: with 4 cores and 16 to 32 GiB, 4 by 16 and 4 by 32 are all that is bought', async (t) => {
  const bounds = { minCpuCores: 4, maxCpuCores: 4, minRamMib: 16_384, maxRamMib: 32_768 };
  const sizes = [2, 4, 8, 16].flatMap((cpu) => [4, 8, 16, 32, 64].map((gib) => [cpu, gib] as const));
  for (const isSold of [true, false]) {
    const meeting = sizes.filter(([cpu, gib]) =>
      meetsConstraints(isSold ? typeOf(cpu, gib * 0.925, gib * 1_024) : typeOf(cpu, gib), bounds),
    );
    t.same(meeting, [
      [4, 16],
      [4, 32],
    ]);
  }
  const bought = withinConstraints(smallCatalogue, bounds).instanceTypes.filter(({ offerings }) =>
    offerings.some(({ available }) => available),
  );
  t.same(
    bought.map(({ name }) => name),
    ['m5.xlarge', 'r5.xlarge'],
  );
});

const hpa = (o: {
  desired: number;
  current: number;
  max?: number;
  active?: 'False';
  kind?: string;
}): HorizontalPodAutoscaler => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: { scaleTargetRef: { kind: o.kind ?? 'Deployment', name: 'web' }, maxReplicas: o.max ?? 10 },
  status: {
    currentReplicas: o.current,
    desiredReplicas: o.desired,
    conditions: [{ type: 'ScalingActive', status: o.active ?? 'True', reason: 'FailedGetResourceMetric' }],
  },
});
const SET: ReplicaSet = {
  metadata: {
    name: 'web-1',
    namespace: 'default',
    uid: 'uid-web-1',
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd', controller: true }],
  },
};
const replica = (n: number, o: { kind?: string; name?: string; uid?: string } = {}): Pod => {
  const { kind = 'ReplicaSet', name = 'web-1', uid = 'uid-web-1' } = o;
  const pod = makePod(`web-${n}`);
  const owner = { apiVersion: 'apps/v1', kind, name, uid, controller: true };
  return { ...pod, metadata: { ...pod.metadata, ownerReferences: [owner] } };
};
const existing = (n: number): Pod[] => Array.from({ length: n }, (_, at) => replica(at));

t.test('replicas that an autoscaler has asked for and that are no pods yet are due', async (t) => {
  const dueOf = (autoscaler: HorizontalPodAutoscaler, pods: readonly Pod[]): number =>
    dueReplicas([autoscaler], { pods, replicaSets: [SET] }).reduce((sum, { due }) => sum + due, 0);
  const cases: readonly (readonly [string, HorizontalPodAutoscaler, readonly Pod[], number])[] = [
    ['two to five', hpa({ desired: 5, current: 2 }), existing(2), 3],
    ['zero to n', hpa({ desired: 4, current: 0 }), [], 4],
    ['some have come', hpa({ desired: 5, current: 2 }), existing(4), 1],
    ['all have come', hpa({ desired: 5, current: 2 }), existing(5), 0],
    ['nothing to add', hpa({ desired: 5, current: 5 }), existing(5), 0],
    ['fewer', hpa({ desired: 2, current: 5 }), existing(5), 0],
    ['metrics are stale', hpa({ desired: 5, current: 2, active: 'False' }), existing(2), 0],
    ['at its maximum', hpa({ desired: 5, current: 5, max: 5 }), existing(5), 0],
    ['no more than its maximum', hpa({ desired: 9, current: 2, max: 5 }), existing(2), 3],
  ];
  for (const [says, autoscaler, pods, due] of cases) t.equal(dueOf(autoscaler, pods), due, says);
  const ofSet = [0, 1].map((n) => replica(n, { kind: 'StatefulSet', name: 'web', uid: 's' }));
  t.equal(dueOf(hpa({ desired: 3, current: 2, kind: 'StatefulSet' }), ofSet), 1, 'of a StatefulSet');
});

const NOW = Date.parse('2026-11-30T12:00:00Z');
const ended = (state: PlanState, ago: number) =>
  ({
    metadata: { name: `${state}-${ago}`, labels: { [MADE_BY]: UNSCHEDULED_PODS } },
    spec: { execute: true },
    status: { state, completionTime: new Date(NOW - ago).toISOString() },
  }) as RebalancePlan;

t.test('the wait after failed plans doubles, and a success ends it', async (t) => {
  const failed = (n: number) => Array.from({ length: n }, (_, at) => ended('Failed', at * 1_000));
  const waits = [1, 2, 3, 9].map((n) => Math.max(0, backoffUntil(failed(n)) - NOW));
  t.same(waits, [0, 10_000, 20_000, 300_000]);
  t.equal(backoffUntil([ended('Done', 0), ...failed(5)]) - NOW > 0, false);
});

t.test('plans whose machines never took their pods back off as failed ones do', async (t) => {
  const plans = [1, 2, 3].map(() => ended('DoneWithWarnings', 0));
  t.equal(backoffUntil(plans) - NOW, 20_000);
});
