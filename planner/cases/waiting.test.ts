import t from 'tap';
import type { Node, NodeClaim, Pod, PodStatus, Taint } from '../../api/objects.ts';
import { foreignNode, makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import { deletedBy, makeDaemonSet, provisionFor, rebalanceOf, typesOf } from '../testing/smallworld.ts';

const withStatus = (pod: Pod, status: Partial<PodStatus>): Pod => ({
  ...pod,
  status: { ...pod.status, ...status },
});
const refused = (reason: string): Partial<PodStatus> => ({
  conditions: [{ type: 'PodScheduled', status: 'False', reason }],
});
const waiting = (name = 'waits', cpu = 3000): Pod =>
  withStatus(makePod(name, { cpu, memory: 1024 }), refused('Unschedulable'));
const machine = (
  name: string,
  o: Partial<NodeClaim['status']> & object = {},
  labels: object = {},
): NodeClaim => ({
  kind: 'NodeClaim',
  metadata: {
    name,
    labels: { 'karpenter.sh/nodepool': 'default', 'topology.kubernetes.io/zone': 'us-west-2a', ...labels },
  },
  spec: {
    nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
    requirements: [{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['m5.xlarge'] }],
    resources: { requests: { cpu: '3', memory: '4Gi', pods: '3' } },
  },
  status: {
    providerID: 'aws:///coming',
    allocatable: { cpu: '3900m', memory: '14Gi', pods: '58' },
    conditions: [{ type: 'Launched', status: 'True' }],
    ...o,
  },
});
t.test('case 16: nothing is bought for a pod that is nominated', async (t) => {
  const node = makeNode('a', { cpu: 4000 });
  const victim = makePod('low', { node: 'a', cpu: 3500 });
  const high = withStatus(waiting('high', 3500), { nominatedNodeName: 'a' });
  const { plan, unplaced } = provisionFor(makeSnapshot([node], [victim, high]));
  t.equal(plan, null);
  t.same(unplaced, []);
  const gone = withStatus(high, { nominatedNodeName: 'gone' });
  t.equal(typesOf(provisionFor(makeSnapshot([node], [victim, gone]))).length, 1, 'no such node');
});

t.test('case 16: the room of a nominated pod is given to no other', async (t) => {
  const node = makeNode('a', { cpu: 4000 });
  const high = withStatus(waiting('high'), { nominatedNodeName: 'a' });
  t.equal(typesOf(provisionFor(makeSnapshot([node], [high, waiting()]))).length, 1);
  t.same(typesOf(provisionFor(makeSnapshot([node], [waiting()]))), []);
});

t.test('case 16: nothing is bought for pods that no new node helps', async (t) => {
  const fargate = withStatus(waiting('fargate'), refused('MATCH_NODE_SELECTOR_FAILED'));
  const gated = { ...waiting('gated'), spec: { ...waiting().spec, schedulingGates: [{ name: 'x' }] } };
  const other = { ...waiting('other'), spec: { ...waiting().spec, schedulerName: 'fargate-scheduler' } };
  const { plan, unplaced } = provisionFor(makeSnapshot([], [fargate, gated, other]));
  t.equal(plan, null);
  t.match(unplaced, [
    { name: 'fargate', reason: /PodScheduled is False for MATCH_NODE_SELECTOR_FAILED/ },
    { name: 'other', reason: /scheduler fargate-scheduler places it/ },
  ]);
});

t.test('case 16: a node whose room a pod of another scheduler waits for stays', async (t) => {
  const other = (pod: Pod): Pod => ({ ...pod, spec: { ...pod.spec, schedulerName: 'volcano' } });
  const ask = (...pods: readonly Pod[]) =>
    deletedBy(rebalanceOf(makeSnapshot([makeNode('a', { cpu: 4000 })], pods)));
  t.same(ask(), ['claim-a']);
  t.same(ask(other(waiting('gang'))), [], 'Karpenter would buy it again');
  const unseen = withStatus(other(waiting('gang')), { conditions: [] });
  t.same(ask(unseen), ['claim-a'], 'Karpenter buys nothing for a pod that nobody has refused');
});

t.test('case 17: a machine on its way is room', async (t) => {
  const pods = ['a', 'b', 'c'].map((name) => waiting(name, 1000));
  const ask = (claim: NodeClaim, more: readonly Pod[] = []) =>
    provisionFor(makeSnapshot([], [...pods, ...more], { nodeClaims: [claim] }));
  const { plan, unplaced, reason } = ask(machine('coming'));
  t.same([plan, unplaced], [null, []]);
  t.equal(reason, 'Every pod that waits has room on a node that is there or on its way.');
  t.equal(typesOf(ask(machine('coming'), [waiting('d', 1000)])).length, 1, 'for the fourth');
  const { status: _, ...unlaunched } = machine('coming');
  t.same(typesOf(ask(unlaunched)), [], 'as requested');
  const tainted = machine('coming');
  const taints = [{ key: 'team', effect: 'NoSchedule' as const }];
  t.equal(typesOf(ask({ ...tainted, spec: { ...tainted.spec, taints } })).length, 1, 'tainted');
  const going = machine('coming');
  const metadata = { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
  t.equal(typesOf(ask({ ...going, metadata })).length, 1, 'being deleted');
  const planned = machine('coming', {}, { 'autoscaling.cast.ai/rebalance-plan': 'p' });
  t.equal(typesOf(ask(planned)).length, 1, "kept for a plan's pods");
});

/** A node that has joined and that Karpenter has not initialized, with its claim. */
const starting = (o: { readonly taints?: Taint[]; readonly ready?: string; readonly gpu?: string } = {}) => {
  const { node, claim } = makeNode('n', { type: 'm5.xlarge', labels: { 'karpenter.sh/initialized': '' } });
  const amounts = { ...node.status?.allocatable, ...(o.gpu !== undefined && { 'nvidia.com/gpu': '0' }) };
  const nodes: Node[] = [
    {
      ...node,
      spec: {
        ...node.spec,
        taints: o.taints ?? [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
      },
      status: {
        ...node.status,
        allocatable: amounts,
        nodeInfo: { kubeletVersion: 'v1.36.0' },
        conditions: [{ type: 'Ready', status: o.ready ?? 'False' }],
      } as NonNullable<Node['status']>,
    },
  ];
  const nodeClaims: NodeClaim[] = [
    {
      ...claim,
      spec: { ...claim.spec, startupTaints: [{ key: 'cni', effect: 'NoExecute' }] },
      status: {
        ...claim.status,
        allocatable: { ...node.status?.allocatable, ...(o.gpu !== undefined && { 'nvidia.com/gpu': o.gpu }) },
        conditions: [{ type: 'Registered', status: 'True' }],
      },
    },
  ];
  return { nodes, nodeClaims };
};

t.test('kind 6: a machine that has joined and is not ready yet is room, too', async (t) => {
  const ask = (o: Parameters<typeof starting>[0], pods: readonly Pod[] = [waiting()]) =>
    provisionFor(makeSnapshot([], pods, starting(o)));
  for (const taints of [
    [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' as const }],
    [{ key: 'karpenter.sh/unregistered', effect: 'NoExecute' as const }],
    [{ key: 'node.cloudprovider.kubernetes.io/uninitialized', effect: 'NoSchedule' as const }],
  ]) {
    const { plan, unplaced } = ask({ taints });
    t.same([plan, unplaced], [null, []], taints[0]?.key ?? '');
  }
  const cni = [{ key: 'cni', effect: 'NoExecute' as const }];
  t.equal(ask({ taints: cni, ready: 'True' }).plan, null, 'ready, with a taint of its start');
  const gpu = waiting();
  const [main] = gpu.spec.containers;
  const withGpu = {
    ...gpu,
    spec: {
      ...gpu.spec,
      containers: [{ name: 'main', ...main, resources: { requests: { cpu: '1', 'nvidia.com/gpu': '1' } } }],
    },
  };
  t.same(ask({ gpu: '1' }, [withGpu]).unplaced, [], 'devices that the kubelet does not show yet');
  t.equal(typesOf(ask({}, [waiting('a'), waiting('b')])).length, 1, 'one of two has room there');
  const silent = typesOf(ask({ ready: 'Unknown' }));
  t.equal(silent.length, 1, 'a kubelet that fell silent is no room');
  const team = [{ key: 'team', effect: 'NoSchedule' as const }];
  t.equal(typesOf(ask({ taints: team })).length, 1, 'a taint that stays');
});

t.test('kind 14: a machine that has joined and is not ready is room for what waits', async (t) => {
  const empty = makeNode('e', { cpu: 4000, type: 'm5.xlarge' });
  const { nodes, nodeClaims } = starting();
  const alone = rebalanceOf(makeSnapshot([empty], [waiting()]));
  t.same(deletedBy(alone), [], 'the empty node is needed');
  const both = makeSnapshot([empty], [waiting()], {
    nodes: [empty.node, ...nodes],
    nodeClaims: [empty.claim, ...nodeClaims],
  });
  t.same(deletedBy(rebalanceOf(both)), ['claim-e'], 'the pod has room on the one that starts');
  const moving = makeSnapshot([], [makePod('m', { node: 'e', cpu: 3000 })], {
    nodes: [empty.node, ...nodes],
    nodeClaims: [empty.claim, ...nodeClaims],
  });
  t.equal(rebalanceOf(moving).plan, null, 'no pod moves to a node that is not ready');
});

t.test('case 17: DaemonSets count on a machine on its way', async (t) => {
  const daemonSets = [makeDaemonSet('agent', { limits: { cpu: '2' } })];
  const snapshot = makeSnapshot([], [waiting()], { nodeClaims: [machine('coming')], daemonSets });
  t.equal(typesOf(provisionFor(snapshot)).length, 1);
});

t.test('kind 13: nodes that Karpenter does not own are room, and stay', async (t) => {
  const snapshot = makeSnapshot([], [waiting()], { nodes: [foreignNode('managed', { cpu: 4000 })] });
  t.equal(provisionFor(snapshot).plan, null);
  t.same(provisionFor(snapshot).unplaced, []);
  t.match(rebalanceOf(snapshot).skippedNodes, [{ name: 'managed' }]);
  const cordoned = foreignNode('managed', { cpu: 4000 });
  const closed = { ...cordoned, spec: { ...cordoned.spec, unschedulable: true } };
  t.equal(typesOf(provisionFor({ ...snapshot, nodes: [closed] })).length, 1);
});

const SMALL = { cpu: 4000, type: 'm5.xlarge' } as const;

t.test('case 74: an empty node stays while a pod waits that fits it alone', async (t) => {
  const node = makeNode('n', SMALL);
  t.same(deletedBy(rebalanceOf(makeSnapshot([node], []))), ['claim-n'], 'it goes otherwise');
  const result = rebalanceOf(makeSnapshot([node], [waiting()]));
  t.same(deletedBy(result), []);
  t.match(result.skippedNodes, [
    { name: 'n', reasons: ['its room is needed for pod default/waits, which waits'] },
  ]);
  const tooLarge = rebalanceOf(makeSnapshot([node], [waiting('huge', 9000)]));
  t.same(deletedBy(tooLarge), ['claim-n'], 'a pod that does not fit holds nothing');
});

t.test('case 74: the pod that waits comes to a node that stays anyhow', async (t) => {
  const marked = makeNode('stays', SMALL);
  const annotations = { 'karpenter.sh/do-not-disrupt': 'true' };
  const stays = { ...marked, node: { ...marked.node, metadata: { ...marked.node.metadata, annotations } } };
  const snapshot = makeSnapshot([makeNode('n', SMALL), stays], [waiting()]);
  t.same(deletedBy(rebalanceOf(snapshot)), ['claim-n']);
  const managed = { ...snapshot, nodes: [makeNode('n', SMALL).node, foreignNode('managed', SMALL)] };
  t.same(deletedBy(rebalanceOf(managed)), ['claim-n'], 'also of a managed node group');
  const coming = makeSnapshot([makeNode('n', SMALL)], [waiting()]);
  const both = { ...coming, nodeClaims: [...coming.nodeClaims, machine('coming')] };
  t.same(deletedBy(rebalanceOf(both)), ['claim-n'], 'also to a machine on its way');
});

t.test('case 74: moved pods do not take the room of a pod that waits', async (t) => {
  const nodes = [makeNode('a', SMALL), makeNode('b', SMALL)];
  const pods = [makePod('runs', { node: 'a', cpu: 2500 }), waiting()];
  t.same(deletedBy(rebalanceOf(makeSnapshot(nodes, pods))), []);
  t.equal(deletedBy(rebalanceOf(makeSnapshot(nodes, [pods[0] as Pod]))).length > 0, true);
});

const ANY_NUMBER = { aggressive: { ignoreZeroNodePoolDisruptionBudgets: true } };

for (const [how, leave] of Object.entries({
  'Karpenter disrupts it': (n: ReturnType<typeof makeNode>) => ({
    ...n,
    node: {
      ...n.node,
      spec: { ...n.node.spec, taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' as const }] },
    },
  }),
  'its node is being deleted': (n: ReturnType<typeof makeNode>) => ({
    ...n,
    node: { ...n.node, metadata: { ...n.node.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
  }),
  'its claim is being deleted': (n: ReturnType<typeof makeNode>) => ({
    ...n,
    claim: { ...n.claim, metadata: { ...n.claim.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
  }),
})) {
  t.test(`case 75: pods of a node that goes keep their room: ${how}`, async (t) => {
    const old = leave(makeNode('old', SMALL));
    const pods = [makePod('moves', { node: 'old', cpu: 3000 })];
    const result = rebalanceOf(makeSnapshot([old, makeNode('n', SMALL)], pods), ANY_NUMBER);
    t.same(deletedBy(result), []);
    t.match(result.skippedNodes.find(({ name }) => name === 'n')?.reasons, [
      'its room is needed for pod default/moves of node old, which is being taken out',
    ]);
    const bought = provisionFor(makeSnapshot([old, makeNode('n', SMALL)], [...pods, waiting()]));
    t.equal(typesOf(bought).length, 1, 'nor is it given to a pod that waits');
    const daemon = makePod('agent', { node: 'old', cpu: 3000, owner: 'DaemonSet' });
    t.same(deletedBy(rebalanceOf(makeSnapshot([old, makeNode('n', SMALL)], [daemon]), ANY_NUMBER)), [
      'claim-n',
    ]);
  });
}

t.test('case 76: a rebalancing, too, leaves room for DaemonSet pods to come', async (t) => {
  const nodes = [makeNode('a', SMALL), makeNode('b', SMALL)];
  const pods = [makePod('p', { node: 'a', cpu: 1500 }), makePod('q', { node: 'b', cpu: 1500 })];
  const daemonSets = [makeDaemonSet('agent', { limits: { cpu: '2' } })];
  t.equal(deletedBy(rebalanceOf(makeSnapshot(nodes, pods))).length > 0, true);
  t.same(deletedBy(rebalanceOf(makeSnapshot(nodes, pods, { daemonSets }))), []);
});
