import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL, PLACEHOLDER } from '../../api/labels.ts';
import type { DaemonSet, Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { makeNode, makePod, makePool } from '../../planner/testing/builders.ts';
import { CACHED_NODE_INDEXES, CACHED_POD_INDEXES } from '../caches.ts';
import { ExtraIntents } from '../pinning/extraintents.ts';
import { Derivation } from './derivation.ts';

const START = Date.parse('2030-01-01T00:00:00Z');
const SETTLE_MS = 250;
const JOIN_DEADLINE_MS = 600_000;

const claimNamed = (name: string, isLaunched = true): NodeClaim => ({
  metadata: {
    name,
    uid: `uid-${name}`,
    creationTimestamp: new Date(START).toISOString(),
    labels: { [KARPENTER_NODEPOOL]: 'default' },
  },
  spec: {
    ...makeNode(name).claim.spec,
    resources: { requests: { cpu: '500m', memory: '512Mi', pods: '1' } },
  },
  ...(isLaunched && {
    status: { providerID: `aws:///${name}`, allocatable: { cpu: '600m', memory: '1Gi', pods: '10' } },
  }),
});

const placeholderFor = (name: string): Node => ({
  metadata: { name: `node-${name}`, labels: { [PLACEHOLDER]: 'true' } },
  spec: { providerID: `aws:///${name}` },
  status: { allocatable: { cpu: '600m', memory: '1Gi', pods: '10' } },
});

const pendingPod = (name: string, nominatedNodeName?: string): Pod => {
  const pod = makePod(name, { spec: { tolerations: [{ operator: 'Exists' }] } });
  const unschedulable = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' } as const;
  return { ...pod, status: { conditions: [unschedulable], ...(nominatedNodeName && { nominatedNodeName }) } };
};

/** A derivation over fake caches; `pins` are the current pins as 'pod on claim', sorted. */
const open = () => {
  const clock = { now: START };
  const caches = {
    plans: new FakeCache<RebalancePlan>(resources.REBALANCE_PLANS),
    pods: new FakeCache<Pod>(resources.PODS, CACHED_POD_INDEXES),
    nodes: new FakeCache<Node>(resources.NODES, CACHED_NODE_INDEXES),
    nodeClaims: new FakeCache<NodeClaim>(resources.NODE_CLAIMS),
    nodePools: new FakeCache<NodePool>(resources.NODE_POOLS),
    daemonSets: new FakeCache<DaemonSet>(resources.DAEMON_SETS),
  };
  caches.nodePools.put(makePool());
  const extraIntents = new ExtraIntents();
  const derivation = new Derivation({
    caches,
    nodeNames: { get: (id) => id.replace('aws:///', 'node-'), onChange: () => () => {} },
    extraIntents,
    limits: { joinDeadlineMs: JOIN_DEADLINE_MS, holdMs: 10_000, settleMs: SETTLE_MS },
    now: () => clock.now,
  });
  const pins = (): readonly string[] =>
    extraIntents
      .list()
      .flatMap(({ pin, nodeClaim }) => (pin?.pod ? [`${pin.pod.name} on ${nodeClaim}`] : []))
      .sort();
  const launch = (name: string): void => {
    caches.nodeClaims.put(claimNamed(name));
    caches.nodes.put(placeholderFor(name));
  };
  return { clock, caches, derivation, pins, launch };
};

t.test('pods are pinned once the batch of claims is complete', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  launch('a');
  caches.pods.put(pendingPod('p'));
  t.equal(derivation.derive().isSettled, false);
  t.same(pins(), []);
  clock.now += SETTLE_MS;
  t.equal(derivation.derive().isSettled, true);
  t.same(pins(), ['p on a']);
});

t.test('a newer claim holds up the pins of its batch, but not for ever', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  launch('a');
  caches.pods.put(pendingPod('p'));
  derivation.derive();
  for (let i = 0; i < 7; i += 1) {
    clock.now += SETTLE_MS - 1;
    launch(`later-${i}`);
    derivation.derive();
    t.same(pins(), []);
  }
  clock.now = START + 8 * SETTLE_MS;
  launch('latest');
  derivation.derive();
  t.same(pins(), ['p on a']);
});

t.test('fault 15: a newer claim withdraws no pins of an older one', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  launch('a');
  caches.pods.put(pendingPod('p'));
  derivation.derive();
  clock.now += SETTLE_MS;
  derivation.derive();
  t.same(pins(), ['p on a']);
  launch('b');
  derivation.derive();
  t.same(pins(), ['p on a'], 'its batch was complete');
});

t.test('a new leader keeps the pins of claims that were there before', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  clock.now += 10_000;
  launch('a');
  caches.pods.put(pendingPod('p', 'node-a'));
  derivation.derive();
  t.same(pins(), ['p on a'], 'from its first look on');
});

t.test('a pinned pod stays on its claim when another would fit as well', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  launch('b');
  caches.pods.put(pendingPod('p'));
  derivation.derive();
  clock.now += 8 * SETTLE_MS;
  derivation.derive();
  t.same(pins(), ['p on b']);
  launch('a');
  derivation.derive();
  t.same(pins(), ['p on b']);
});

t.test('a nominated pod is pinned to the machine of its nomination, and to no other', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  launch('a');
  launch('b');
  caches.pods.put(pendingPod('p', 'node-b'));
  caches.pods.put(pendingPod('q', 'node-elsewhere'));
  derivation.derive();
  clock.now += SETTLE_MS;
  derivation.derive();
  t.same(pins(), ['p on b']);
});

t.test('pods that a running plan moves are left to the plan', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  launch('a');
  caches.pods.put(pendingPod('p'));
  caches.plans.put({
    metadata: { name: 'plan' },
    spec: {
      execute: true,
      podsToMigrate: [{ namespace: 'default', name: 'p', srcNode: 'x', dstNodeClaimName: 'y' }],
    },
    status: { state: 'Running' },
  });
  derivation.derive();
  clock.now += SETTLE_MS;
  t.same(derivation.derive().waiting, []);
  t.same(pins(), []);
});

t.test('a machine past its join deadline gets no pods', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  launch('a');
  caches.pods.put(pendingPod('p'));
  derivation.derive();
  clock.now += JOIN_DEADLINE_MS;
  derivation.derive();
  t.same(pins(), []);
});

t.test('pins wait until the last machine of the batch is launched, but not for ever', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  launch('a');
  caches.nodeClaims.put(claimNamed('b', false));
  caches.pods.put(pendingPod('p'));
  caches.pods.put(pendingPod('q'));
  derivation.derive();
  clock.now += 8 * SETTLE_MS;
  t.equal(derivation.derive().isSettled, false, 'how large the machine of b will be is not known');
  t.same(pins(), []);
  launch('b');
  t.equal(derivation.derive().isSettled, true);
  t.same(
    pins().map((pin) => pin.split(' on ')[1]),
    ['a', 'b'],
  );

  const slow = open();
  slow.launch('a');
  slow.caches.nodeClaims.put(claimNamed('b', false));
  slow.caches.pods.put(pendingPod('p'));
  slow.derivation.derive();
  slow.clock.now += 10_000;
  slow.derivation.derive();
  t.equal(slow.pins().length, 1);
});

t.test('pods without a place are counted, and the next look says the same', async (t) => {
  const { clock, caches, derivation, pins, launch } = open();
  launch('a');
  launch('b');
  for (const name of ['p', 'q', 'r']) caches.pods.put(pendingPod(name));
  const claim = claimNamed('a');
  const requests = { cpu: '1000m', memory: '1Gi', pods: '2' };
  caches.nodeClaims.put({ ...claim, spec: { ...claim.spec, resources: { requests } } });
  derivation.derive();
  clock.now += SETTLE_MS;
  t.equal(derivation.derive().unplaced, 1);
  t.equal(derivation.derive().unplaced, 1);
  t.equal(pins().length, 2);
});
