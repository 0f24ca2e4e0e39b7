import t from 'tap';
import type { HeldPodView } from '../../api/heldpods.ts';
import { OPEN_TO_DAEMONSETS, PIN, PIN_GATE } from '../../api/labels.ts';
import { healthOf } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { isOpenToDaemonSets } from '../../api/reservation.ts';
import { clusterOf } from '../cluster/clusterview.ts';
import { emptySnapshot } from '../model/snapshot.ts';
import { fits, nodeInfoOf } from '../scheduling/fit.ts';
import { createGateReleasePolicy, decideGate, type GateStep } from './gatepolicy.ts';

const OWN_TAINT = 'example.com/reserved';
const OWN: ReadonlySet<string> = new Set([OWN_TAINT]);

type Change<T> = { readonly [K in keyof T]?: unknown };

const pod = (spec: Change<Pod['spec']> = {}, name = 'p'): Pod =>
  ({
    metadata: {
      name,
      uid: name,
      namespace: 'n',
      annotations: { [PIN]: 'pin' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'ReplicaSet', name: 'o', uid: 'owner', controller: true }],
    },
    spec: {
      containers: [{ name: 'main', resources: { requests: { cpu: '500m' } } }],
      schedulingGates: [{ name: PIN_GATE }],
      ...spec,
    },
  }) as Pod;

const node = (
  change: { readonly taints?: object[]; readonly allocatable?: object; readonly spec?: object } = {},
) =>
  ({
    metadata: { name: 'node-1', labels: { zone: 'a' } },
    spec: { taints: [{ key: OWN_TAINT, effect: 'NoSchedule' }, ...(change.taints ?? [])], ...change.spec },
    status: {
      allocatable: { cpu: '1', memory: '1Gi', pods: '10', ...change.allocatable },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  }) as Node;

const gpu = { containers: [{ name: 'main', resources: { requests: { 'nvidia.com/gpu': '1' } } }] };
const volume = { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }] };
const spread = {
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
};

const CORDON = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const openToDaemonSets = {
  ...node({ spec: { unschedulable: true, taints: [CORDON] } }),
  metadata: { name: 'node-1', labels: { zone: 'a' }, annotations: { [OPEN_TO_DAEMONSETS]: 'true' } },
} as Node;

interface Row {
  readonly says: string;
  readonly pod?: Pod;
  readonly node?: Node | null;
  readonly others?: readonly Pod[];
  readonly booting: GateStep['kind'];
  readonly ready: GateStep['kind'];
  readonly because?: RegExp;
}

const rows: readonly Row[] = [
  { says: 'a safe pod does not wait for its machine', booting: 'land', ready: 'land' },
  { says: 'a pod waits for a node that does not exist yet', node: null, booting: 'wait', ready: 'wait' },
  {
    says: 'a pod waits for a device that the kubelet has not reported, on a ready node too',
    pod: pod(gpu),
    booting: 'wait',
    ready: 'wait',
    because: /not reported its nvidia/,
  },
  {
    says: 'a pod lands once its device is reported',
    pod: pod(gpu),
    node: node({ allocatable: { 'nvidia.com/gpu': '1' } }),
    booting: 'wait',
    ready: 'land',
  },
  {
    says: 'the gate is removed when another pod has the device',
    pod: pod(gpu),
    node: node({ allocatable: { 'nvidia.com/gpu': '1' } }),
    others: [pod(gpu, 'other')],
    booting: 'wait',
    ready: 'release',
    because: /Insufficient nvidia/,
  },
  {
    says: 'a volume is bound by kube-scheduler on the ready node',
    pod: pod(volume),
    booting: 'wait',
    ready: 'land',
  },
  {
    says: 'a pod whose place depends on other nodes is nominated',
    pod: pod(spread),
    booting: 'wait',
    ready: 'nominate',
  },
  {
    says: 'the gate is removed when the ready node is full',
    node: node({ allocatable: { cpu: '100m' } }),
    booting: 'wait',
    ready: 'release',
    because: /Insufficient cpu/,
  },
  {
    says: 'the gate is removed at once when the node does not match the selector',
    pod: pod({ nodeSelector: { zone: 'b' } }),
    booting: 'release',
    ready: 'release',
  },
  {
    says: 'a pod waits for a startup taint to go',
    node: node({ taints: [{ key: 'startup', effect: 'NoExecute' }] }),
    booting: 'wait',
    ready: 'wait',
    because: /does not tolerate startup/,
  },
  {
    says: 'a pod waits while its node is cordoned',
    node: node({ spec: { unschedulable: true } }),
    booting: 'wait',
    ready: 'wait',
  },
  {
    says: 'a node that waits for its DaemonSets takes early pods, and others once it is reserved by its taint again',
    node: openToDaemonSets,
    booting: 'land',
    ready: 'wait',
    because: /DaemonSets/,
  },
  {
    says: 'the gate is removed at once when the node is sick',
    node: node({ taints: [{ key: 'node.kubernetes.io/disk-pressure', effect: 'NoSchedule' }] }),
    booting: 'release',
    ready: 'release',
    because: /short of disk space/,
  },
  {
    says: 'the gate is removed when the pod has another gate too',
    pod: pod({ schedulingGates: [{ name: PIN_GATE }, { name: 'other' }] }),
    booting: 'release',
    ready: 'release',
  },
];

for (const row of rows) {
  t.test(row.says, async (t) => {
    const base = row.node === null ? undefined : (row.node ?? node());
    const at = (isReady: boolean): GateStep =>
      decideGate({
        pod: row.pod ?? pod(),
        node: base && nodeInfoOf(base, row.others ?? []),
        isReady,
        health: base && healthOf(base),
        awaitsDaemonSets: base !== undefined && isOpenToDaemonSets(base),
        ownTaints: OWN,
        gate: PIN_GATE,
      });
    const booting = at(false);
    t.equal(booting.kind, row.booting, `booting: ${booting.reason}`);
    if (booting.kind === 'land') t.equal(booting.isEarly, true);
    const ready = at(true);
    t.equal(ready.kind, row.ready, `ready: ${ready.reason}`);
    if (ready.kind === 'land') t.equal(ready.isEarly, false);
    t.match(ready.reason, row.because ?? /./);
  });
}

const limits = { timeoutMs: 10_000, longestMs: 900_000 };

const sights: readonly (readonly [string, Partial<HeldPodView>, boolean, RegExp | null])[] = [
  ['a pod whose node is on its way stays held', {}, true, null],
  ['a pod whose node can take it for a moment only is left to the leader', { couldMs: 9_999 }, true, null],
  ['a pod whose node could take it for too long is released', { couldMs: 10_000 }, true, /could have taken/],
  ['a short time without a leader changes nothing', { leaderlessMs: 9_999 }, true, null],
  ['a pod is released when nobody leads', { leaderlessMs: 10_000 }, true, /nobody leads/],
  ['no pod is held forever', { heldMs: 900_000 }, true, /held for 900 s/],
  ['a pod is released when its plan has ended', { heldMs: 5_000 }, false, /no plan/],
  ['a plan that is not cached yet may have just begun', { heldMs: 100 }, false, null],
  [
    'a pod without our gate is left alone',
    { couldMs: 60_000, pod: pod({ schedulingGates: [] }) },
    false,
    null,
  ],
];

for (const [says, change, isMoved, expected] of sights) {
  t.test(says, async (t) => {
    const judge = createGateReleasePolicy({ limits, ownTaints: OWN, gate: PIN_GATE, isMoved: () => isMoved });
    const sight = { pod: pod(), couldMs: undefined, leaderlessMs: undefined, heldMs: 4_000, ...change };
    const reason = judge.releaseReason(sight);
    if (expected) t.match(reason, expected);
    else t.equal(reason, undefined);
  });
}

t.test('a pod is due when the leader would have landed it', async (t) => {
  const judge = createGateReleasePolicy({ limits, ownTaints: OWN, gate: PIN_GATE });
  t.equal(judge.isDue(pod(), node()), true);
  t.equal(judge.isDue(pod(gpu), node()), false, 'its device is not there');
  t.equal(judge.isDue(pod(), openToDaemonSets), false, 'its node waits for pods of DaemonSets');
  const booting = { ...node(), status: { allocatable: { cpu: '1', pods: '10' } } };
  t.equal(judge.isDue(pod(), booting), false, 'its machine is not up');
  const silent = {
    ...node(),
    status: {
      nodeInfo: { kubeletVersion: 'v1.36.3' },
      conditions: [{ type: 'Ready', status: 'Unknown' as const }],
    },
  };
  t.equal(judge.isDue(pod(), silent), true, 'the leader would have released it from a sick node');
});

t.test('a plan may move a pod that was landed, but not one that has not arrived', async (t) => {
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }] }],
      },
    },
  };
  const runs = pod({ schedulingGates: [], affinity, nodeName: 'node-1' }, 'runs');
  const waits = pod({ schedulingGates: [], affinity }, 'waits');
  const other = { ...node(), metadata: { name: 'node-2', labels: {} } };
  const snapshot = { ...emptySnapshot, nodes: [node(), other], pods: [runs, waits] };
  const { facts, pending } = clusterOf(snapshot, { instanceTypes: [] });
  const [moved] = facts[0]?.pods ?? [];
  const [waiting] = pending;
  if (!moved || !waiting) throw new Error('both pods are in the cluster');
  const { nodeName: _, ...spec } = moved.spec;
  const elsewhere = { ...nodeInfoOf(other, []), taints: [] };
  t.equal(fits({ ...moved, spec }, elsewhere), undefined);
  t.equal(fits(waiting, elsewhere)?.code, 'NodeAffinity');
});
