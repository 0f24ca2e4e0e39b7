import t from 'tap';
import type { Node, Pod } from '../../api/objects.ts';
import { DAEMON_SETS, PODS } from '../../api/resources.ts';
import { Interner } from './intern.ts';
import { POD_INDEXES, trimNode, trimOf } from './trim.ts';
import { trimPod } from './trimpod.ts';

const rawPod = (name: string, node: string): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'ns',
      uid: `uid-${name}`,
      resourceVersion: '7',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: 'x' },
      annotations: { 'karpenter.sh/do-not-disrupt': 'true', 'other.example/large': 'y'.repeat(1000) },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid', controller: true },
      ],
      managedFields: [{}],
    },
    spec: {
      nodeName: node,
      schedulerName: 'default-scheduler',
      priority: 3,
      containers: [
        {
          name: 'main',
          image: 'i',
          env: [{ name: 'A', value: 'b' }],
          resources: { requests: { cpu: '1' } },
          ports: [{ containerPort: 80 }, { containerPort: 81, hostPort: 81 }],
        },
      ],
      volumes: [
        { name: `token-${name}`, projected: {} },
        { name: 'data', persistentVolumeClaim: { claimName: 'd' } },
        { name: 'config', configMap: {} },
      ],
    },
    status: {
      phase: 'Running',
      podIP: '10.0.0.1',
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'R',
          message: 'm',
          lastTransitionTime: '2026-01-01T00:00:01Z',
        },
        { type: 'Initialized', status: 'True', lastTransitionTime: '2026-01-01T00:00:01Z' },
      ],
      containerStatuses: [
        { name: 'main', image: 'i', allocatedResources: { cpu: '1' }, resources: { requests: { cpu: '1' } } },
      ],
    },
  }) as unknown as Pod;

t.test('a pod keeps what fit, owner matching and status need', async (t) => {
  const pod = trimPod(rawPod('a', 'n1'));
  t.same(pod, {
    metadata: {
      name: 'a',
      namespace: 'ns',
      uid: 'uid-a',
      resourceVersion: '7',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: 'x' },
      annotations: { 'karpenter.sh/do-not-disrupt': 'true' },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid', controller: true },
      ],
    },
    spec: {
      nodeName: 'n1',
      schedulerName: 'default-scheduler',
      priority: 3,
      preemptionPolicy: 'PreemptLowerPriority',
      serviceAccountName: '',
      terminationGracePeriodSeconds: 30,
      tolerations: [],
      containers: [
        { name: 'main', resources: { requests: { cpu: '1' } }, ports: [{ containerPort: 81, hostPort: 81 }] },
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'd' } }],
    },
    status: {
      phase: 'Running',
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'R',
          message: 'm',
          lastTransitionTime: '2026-01-01T00:00:01Z',
        },
        { type: 'Initialized', status: 'True' },
      ],
    },
  });
});

t.test('a resize in progress is kept, since the scheduler counts it', async (t) => {
  const raw = rawPod('a', 'n1');
  const pod = trimPod({
    ...raw,
    status: { ...raw.status, containerStatuses: [{ name: 'main', allocatedResources: { cpu: '2' } }] },
  });
  t.same(pod.status?.containerStatuses, [{ name: 'main', allocatedResources: { cpu: '2' } }]);
});

t.test('pods of one workload share equal parts, and the parts are frozen', async (t) => {
  const interner = new Interner();
  const a = trimPod(rawPod('a', 'n1'), interner);
  const b = trimPod(rawPod('b', 'n2'), interner);
  t.equal(a.spec.containers, b.spec.containers);
  t.equal(a.metadata.labels, b.metadata.labels);
  t.equal(a.metadata.ownerReferences, b.metadata.ownerReferences);
  t.equal(a.status?.conditions, b.status?.conditions);
  t.throws(() => {
    (a.metadata.labels as Record<string, string>).app = 'y';
  }, TypeError);
});

t.test('a node loses its images and its heartbeats', async (t) => {
  const raw = {
    metadata: { name: 'n', uid: 'u', resourceVersion: '1', labels: { a: 'b' } },
    spec: { providerID: 'aws:///z/i-1', unschedulable: true },
    status: {
      images: [{}],
      capacity: { cpu: '1' },
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: 't' }],
      nodeInfo: { kubeletVersion: 'v1', bootID: 'x' },
    },
  } as unknown as Node;
  t.same(trimNode(raw, new Interner()), {
    metadata: {
      name: 'n',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '',
      labels: { a: 'b' },
      ownerReferences: [],
    },
    spec: { providerID: 'aws:///z/i-1', unschedulable: true },
    status: {
      capacity: { cpu: '1' },
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
      nodeInfo: { kubeletVersion: 'v1' },
    },
  });
});

t.test('each kind has its own trim, and other kinds lose only managedFields', async (t) => {
  t.not(trimOf(PODS), trimOf(DAEMON_SETS));
  const other = trimOf({ ...PODS, kind: 'Widget', group: 'x' });
  const raw = { metadata: { name: 'w', managedFields: [] }, spec: { a: 1 } };
  t.same(other(raw as unknown as Pod, new Interner()), { metadata: { name: 'w' }, spec: { a: 1 } });
});

t.test('the indexes of pods', async (t) => {
  const pod = trimPod(rawPod('a', 'n1'));
  t.same(POD_INDEXES.node?.(pod), ['n1']);
  t.same(POD_INDEXES.owner?.(pod), ['rs-uid']);
  t.same(POD_INDEXES.namespace?.(pod), ['ns']);
});
