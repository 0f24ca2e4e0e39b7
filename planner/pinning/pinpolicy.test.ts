import t from 'tap';
import { healthOf } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { nodeInfoOf } from '../scheduling/fit.ts';
import { choosePin, type PinContext, type PinMethod } from './pinpolicy.ts';

const GATE = 'example.com/ours';
const OWN_TAINT = 'example.com/reserved';

type Change<T> = { readonly [K in keyof T]?: unknown };

const pod = (spec: Change<Pod['spec']> = {}, owner: string | null = 'ReplicaSet'): Pod =>
  ({
    metadata: {
      name: 'p',
      namespace: 'n',
      ownerReferences: owner
        ? [{ apiVersion: 'v1', kind: owner, name: 'o', uid: 'u', controller: true }]
        : [],
    },
    spec: { containers: [{ name: 'main', resources: { requests: { cpu: '500m' } } }], ...spec },
  }) as Pod;

const node = (change: { readonly taints?: object[]; readonly allocatable?: object } = {}): Node =>
  ({
    metadata: { name: 'node-1', labels: { zone: 'a' } },
    spec: { taints: [{ key: OWN_TAINT, effect: 'NoSchedule' }, ...(change.taints ?? [])] },
    status: { allocatable: { cpu: '1', memory: '1Gi', pods: '10', ...change.allocatable } },
  }) as Node;

const gpu = { containers: [{ name: 'main', resources: { requests: { 'nvidia.com/gpu': '1' } } }] };

interface Row {
  readonly says: string;
  readonly pod: Pod;
  readonly node?: Node | null;
  readonly isReady?: boolean;
  readonly isCoexisting?: boolean;
  readonly pending: PinMethod;
  readonly admission: PinMethod;
}

const rows: readonly Row[] = [
  { says: 'a plain pod with a controller is bound early', pod: pod(), pending: 'bind', admission: 'assign' },
  {
    says: 'a pod without a controller is never bound early',
    pod: pod({}, null),
    pending: 'nominate',
    admission: 'nominate',
  },
  {
    says: 'a pod of a DaemonSet is left alone',
    pod: pod({}, 'DaemonSet'),
    pending: 'leave',
    admission: 'leave',
  },
  {
    says: 'a pod that another scheduler places is left alone',
    pod: pod({ schedulerName: 'volcano' }),
    pending: 'leave',
    admission: 'leave',
  },
  {
    says: 'a pod of our second scheduler is bound early',
    pod: pod({ schedulerName: 'castai-scheduler' }),
    pending: 'bind',
    admission: 'assign',
  },
  { says: 'a static pod is left alone', pod: pod({}, 'Node'), pending: 'leave', admission: 'leave' },
  {
    says: 'a pod waits for a node that does not exist yet',
    pod: pod(),
    node: null,
    pending: 'nominate',
    admission: 'hold',
  },
  {
    says: 'a pod waits for the gates of others',
    pod: pod({ schedulingGates: [{ name: 'other' }] }),
    pending: 'nominate',
    admission: 'nominate',
  },
  {
    says: 'our own gate holds the pod',
    pod: pod({ schedulingGates: [{ name: GATE }] }),
    pending: 'hold',
    admission: 'hold',
  },
  {
    says: 'a pod with a device waits for the ready machine',
    pod: pod(gpu),
    pending: 'nominate',
    admission: 'hold',
  },
  {
    says: 'a device on a ready machine is bound',
    pod: pod(gpu),
    node: node({ allocatable: { 'nvidia.com/gpu': '1' } }),
    isReady: true,
    pending: 'bind',
    admission: 'hold',
  },
  {
    says: 'a pod with a claim is left to kube-scheduler until its machine is ready',
    pod: pod({ volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }] }),
    isReady: true,
    pending: 'nominate',
    admission: 'hold',
  },
  {
    says: 'a resource claim has to be allocated by the scheduler',
    pod: pod({ resourceClaims: [{ name: 'claim' }] }),
    pending: 'nominate',
    admission: 'hold',
  },
  {
    says: 'a hard spread depends on all nodes',
    pod: pod({
      topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
    }),
    pending: 'nominate',
    admission: 'hold',
  },
  {
    says: 'a pod group is scheduled all or nothing',
    pod: pod({ schedulingGroup: { podGroupName: 'g' } }),
    pending: 'nominate',
    admission: 'hold',
  },
  {
    says: 'a selector that the node does not match leaves the pod to the scheduler',
    pod: pod({ nodeSelector: { zone: 'b' } }),
    pending: 'leave',
    admission: 'leave',
  },
  {
    says: 'a pod waits for a startup taint that would evict it',
    pod: pod(),
    node: node({ taints: [{ key: 'startup', effect: 'NoExecute' }] }),
    pending: 'nominate',
    admission: 'hold',
  },
  {
    says: 'taints of a node that is not up yet do not matter',
    pod: pod(),
    node: node({ taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }] }),
    pending: 'bind',
    admission: 'assign',
  },
  {
    says: 'a pod may wait for a full node, but none is assigned to it',
    pod: pod(),
    node: node({ allocatable: { cpu: '100m' } }),
    pending: 'nominate',
    admission: 'nominate',
  },
  {
    says: 'beside other webhooks nothing is assigned',
    pod: pod(),
    isCoexisting: true,
    pending: 'bind',
    admission: 'hold',
  },
];

for (const row of rows) {
  t.test(row.says, async (t) => {
    const base = row.node === null ? undefined : (row.node ?? node());
    const situation = (at: PinContext['at']): PinContext => ({
      pod: row.pod,
      node: base && nodeInfoOf(base, []),
      isReady: row.isReady ?? false,
      health: base && healthOf(base),
      at,
      ownTaints: new Set([OWN_TAINT]),
      gate: GATE,
      isCoexisting: row.isCoexisting ?? false,
    });
    const pending = choosePin(situation('pending'));
    t.equal(pending.way, row.pending, `pending: ${pending.reason}`);
    const admission = choosePin(situation('admission'));
    t.equal(admission.way, row.admission, `admission: ${admission.reason}`);
    t.not(admission.reason, '');
  });
}

t.test(
  'a node that is reserved by a cordon takes early pods, and holds others until its DaemonSets are there',
  async (t) => {
    const cordoned = { ...node(), spec: { unschedulable: true } };
    const at = (isReady: boolean, at: PinContext['at'], awaitsDaemonSets = true): PinMethod =>
      choosePin({
        pod: pod(),
        node: nodeInfoOf(cordoned, []),
        isReady,
        health: healthOf(cordoned),
        awaitsDaemonSets,
        at,
        ownTaints: new Set([OWN_TAINT]),
        startupTaints: new Set(),
        gate: GATE,
      }).way;
    t.equal(at(false, 'pending'), 'bind');
    t.equal(at(false, 'admission'), 'assign');
    t.equal(at(true, 'pending'), 'nominate');
    t.equal(at(true, 'admission'), 'hold');
    t.equal(at(false, 'admission', false), 'nominate', "a user's cordon");
  },
);

t.test('a taint that stays where it is is not waited for', async (t) => {
  const strange = node({ taints: [{ key: 'spot', effect: 'NoSchedule' }] });
  const situation: PinContext = {
    pod: pod(),
    node: nodeInfoOf(strange, []),
    isReady: false,
    health: healthOf(strange),
    at: 'admission',
    ownTaints: new Set([OWN_TAINT]),
    gate: GATE,
    isCoexisting: true,
  };
  t.equal(choosePin({ ...situation, startupTaints: new Set(['spot']) }).way, 'hold');
  t.match(choosePin({ ...situation, startupTaints: new Set(['other']) }), {
    way: 'leave',
    reason: 'it does not tolerate spot:NoSchedule',
  });
});

const joined = { nodeInfo: { kubeletVersion: 'v1.36.3' }, conditions: [{ type: 'Ready', status: 'True' }] };
const SICK: readonly (readonly [string, object[], object])[] = [
  ['memory pressure', [{ key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' }], joined],
  ['disk pressure', [{ key: 'node.kubernetes.io/disk-pressure', effect: 'NoSchedule' }], joined],
  ['pid pressure', [{ key: 'node.kubernetes.io/pid-pressure', effect: 'NoSchedule' }], joined],
  ['no network', [{ key: 'node.kubernetes.io/network-unavailable', effect: 'NoSchedule' }], joined],
  ['a silent kubelet', [{ key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' }], joined],
  [
    'not ready',
    [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
    { ...joined, conditions: [{ type: 'Ready', status: 'False' }] },
  ],
  ['out of service', [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }], joined],
  [
    'a condition that has no taint yet',
    [],
    { ...joined, conditions: [...joined.conditions, { type: 'DiskPressure', status: 'True' }] },
  ],
];

for (const [ailment, taints, status] of SICK) {
  t.test(`fault 3: a sick node gets no pin: ${ailment}`, async (t) => {
    const plain = node({ taints });
    const sick: Node = { ...plain, status: { ...plain.status, ...status } };
    for (const at of ['admission', 'pending'] as const) {
      const pin = choosePin({
        pod: pod({ tolerations: [{ operator: 'Exists' }] }),
        node: nodeInfoOf(sick, []),
        isReady: true,
        health: healthOf(sick),
        at,
        ownTaints: new Set([OWN_TAINT]),
        startupTaints: new Set(),
        gate: GATE,
      });
      t.equal(pin.way, 'leave', `${at}: ${pin.reason}`);
    }
  });
}

t.test('fault: no pod is assigned to a node that kube-scheduler puts pods on, too (OutOfcpu)', async (t) => {
  const standing = node();
  const at = (when: PinContext['at'], isOpen: boolean): PinMethod =>
    choosePin({
      pod: pod(),
      node: nodeInfoOf(standing, []),
      isReady: true,
      health: healthOf(standing),
      isOpen,
      at: when,
      ownTaints: new Set([OWN_TAINT]),
      gate: GATE,
    }).way;
  t.equal(at('admission', false), 'assign');
  t.equal(at('admission', true), 'hold', 'kube-scheduler binds it there itself');
  t.equal(at('pending', true), 'bind', 'after it was nominated, see extender/pods/pin.ts');
});
