import t from 'tap';
import type { Condition, DaemonSet, Node, NodeClaim, NodePool } from '../../api/objects.ts';
import type { Attribution } from '../../planner/karpenter/attribution.ts';
import { makeNode, makePod, makePool } from '../../planner/testing/builders.ts';
import { attributionIntents } from './intents.ts';
import { inFlightOf, type Machine, type MachineSources, machinesInFlight } from './machines.ts';

const NOW = Date.parse('2030-01-01T00:01:00Z');
const sample = makeNode('n', { cpu: 3900, memory: 15_000 });

interface Shape {
  readonly launched?: boolean;
  readonly conditions?: readonly Condition[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly deleting?: boolean;
}

const claim = (s: Shape = {}): NodeClaim => ({
  metadata: {
    name: 'c',
    uid: 'uid-c',
    creationTimestamp: '2030-01-01T00:00:00Z',
    labels: { 'karpenter.sh/nodepool': 'default', ...s.labels },
    ...(s.deleting && { deletionTimestamp: '2030-01-01T00:00:30Z' }),
  },
  spec: { ...sample.claim.spec, resources: { requests: { cpu: '1200m', memory: '1Gi', pods: '3' } } },
  status: {
    ...(s.launched === false
      ? {}
      : {
          providerID: 'aws:///n',
          ...(sample.node.status?.allocatable ? { allocatable: sample.node.status.allocatable } : {}),
        }),
    conditions: s.conditions ?? [],
  },
});

const placeholder = (change: Partial<Node['status']> = {}): Node => ({
  ...sample.node,
  metadata: { name: 'n', labels: { 'autoscaling.cast.ai/placeholder': 'true' } },
  status: { ...sample.node.status, conditions: [], ...change },
});

const sources = (c: NodeClaim, change: Partial<MachineSources> = {}): MachineSources => ({
  nodeClaims: [c],
  nodePool: () => makePool(),
  node: () => undefined,
  nodeName: () => 'n',
  now: NOW,
  holdMs: 10_000,
  ...change,
});

t.test('which claims are in flight', async (t) => {
  const fixed: NodePool = { ...makePool(), spec: { ...makePool().spec, replicas: 3 } };
  const readySince = (time: string) =>
    placeholder({ conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: time }] });
  const rows: readonly (readonly [string, NodeClaim, Partial<MachineSources>, boolean])[] = [
    ['one that is launched', claim(), {}, true],
    ['one that is not launched yet', claim({ launched: false }), {}, true],
    ['not one that is being deleted', claim({ deleting: true }), {}, false],
    [
      'not one whose node is initialized',
      claim({ conditions: [{ type: 'Initialized', status: 'True' }] }),
      {},
      false,
    ],
    [
      'not one of a plan of ours',
      claim({ labels: { 'autoscaling.cast.ai/rebalance-plan': 'p' } }),
      {},
      false,
    ],
    ['not one of a NodePool of fixed size', claim(), { nodePool: () => fixed }, false],
    [
      'one whose node has just become ready',
      claim(),
      { node: () => readySince('2030-01-01T00:00:55Z') },
      true,
    ],
    [
      'not one whose node has been ready for long',
      claim(),
      { node: () => readySince('2030-01-01T00:00:40Z') },
      false,
    ],
  ];
  for (const [says, c, change, expected] of rows) {
    t.equal(machinesInFlight(sources(c, change)).length, expected ? 1 : 0, says);
  }
});

t.test('DaemonSets and bound pods reduce requests and free room, each once', async (t) => {
  const daemon = makePod('d', { cpu: 200, memory: 100, owner: 'DaemonSet', node: 'n' });
  const set: DaemonSet = {
    metadata: { name: 'd', namespace: 'kube-system' },
    spec: { template: { spec: daemon.spec } },
  };
  const boundPod = makePod('there', { cpu: 500, memory: 256, node: 'n' });
  const machine: Machine = { claim: claim(), nodeName: 'n', node: placeholder() };
  const { budget, node } = inFlightOf(machine, [boundPod, daemon], [set]);
  t.equal(budget.get('cpu'), 1200 - 200 - 500);
  t.equal(budget.get('pods'), 3 - 1 - 1);
  t.equal(node?.free.get('cpu'), 3900 - 200 - 500);
  t.equal(
    inFlightOf({ ...machine, claim: claim({ launched: false }) }, [], [set]).node,
    undefined,
    'its size is not known before',
  );
});

t.test('the intents of a machine through its life', async (t) => {
  const following: Attribution = { pod: makePod('p'), claim: 'c', basis: 'requests' };
  const kinds = (machine: Partial<Machine>, attributions: readonly Attribution[], isSettled = true) =>
    attributionIntents({
      machines: [{ claim: claim(), nodeName: 'n', node: undefined, ...machine }],
      attributions,
      isSettled: () => isSettled,
      joinDeadlineMs: 60_000,
    }).map((intent) => (intent.node ? 'node' : 'pin'));
  t.strictSame(
    kinds({ claim: claim({ launched: false }), nodeName: '' }, [following]),
    [],
    'nothing before the launch',
  );
  t.strictSame(kinds({ nodeName: '' }, [following]), [], 'nothing before the name is known');
  t.strictSame(kinds({}, [following], false), [], 'nothing before the batch is whole');
  t.strictSame(kinds({}, []), [], 'no placeholder that nobody waits for');
  t.strictSame(kinds({}, [following]), ['node'], 'first the placeholder');
  t.strictSame(kinds({ node: placeholder() }, [following]), ['pin', 'node'], 'then the pins');
  t.strictSame(
    kinds({ node: placeholder() }, []),
    ['node'],
    'the placeholder is kept when its pods are bound',
  );
  t.strictSame(
    kinds({ node: sample.node }, [following]),
    ['pin'],
    'a node that a kubelet created needs none',
  );
  const spread = makePod('s', {
    spec: {
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' },
      ],
    },
  });
  t.strictSame(
    kinds({ node: placeholder() }, [{ ...following, pod: spread }]),
    ['node'],
    'pods that look at others are left to kube-scheduler',
  );
  const [, node] = attributionIntents({
    machines: [{ claim: claim(), nodeName: 'n', node: placeholder() }],
    attributions: [following],
    isSettled: () => true,
    joinDeadlineMs: 60_000,
  });
  t.match(node?.node?.taints, [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
  t.notOk(
    node?.node?.taints.some(({ key }) => key.startsWith('scheduling.cast.ai/')),
    'no taint of ours',
  );
});
