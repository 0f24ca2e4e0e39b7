import t from 'tap';
import type { Pod, PodSpec } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { claimsOf, deletedBy, groupsOf, priceList, provisioned, rebalanced } from '../testing/cases.ts';

/** Pods that a plan presumes to come somewhere by themselves, and those whose rules look at them. */

const ZONE = 'topology.kubernetes.io/zone';
const M5 = priceList({ name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2, zones: ['us-west-2a'] });
const POOLS = { nodePools: [makePool('default', { requirements: [] })] };

const beside = (app: string, weight?: number): Partial<PodSpec> => {
  const term = { labelSelector: { matchLabels: { app } }, topologyKey: ZONE };
  return {
    affinity: {
      podAffinity:
        weight === undefined
          ? { requiredDuringSchedulingIgnoredDuringExecution: [term] }
          : { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm: term }] },
    },
  };
};

/** A node that has joined and is not ready yet. */
const starting = () => {
  const made = makeNode('n', { type: 'm5.xlarge', cpu: 1500, labels: { 'karpenter.sh/initialized': '' } });
  const { node } = made;
  return {
    ...made,
    node: {
      ...node,
      spec: {
        ...node.spec,
        taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' as const }],
      },
      status: {
        ...node.status,
        nodeInfo: { kubeletVersion: 'v1.36.0' },
        conditions: [{ type: 'Ready', status: 'False' as const }],
      },
    },
  };
};

const first = makePod('a', { app: 'a', cpu: 1000 });
const follower = (name = 'b', more: Partial<PodSpec> = beside('a')): Pod =>
  makePod(name, { app: 'b', cpu: 3500, spec: more });

t.test('a pod that follows one which a starting machine gets waits for the next plan', async (t) => {
  const alone = provisioned(makeSnapshot([starting()], [first, follower()], POOLS), M5);
  t.match(alone, { plan: null, unplaced: [{ name: 'b', reason: /the next plan looks again/ }] });
  t.equal(alone.unplaced.length, 1);
  const others = [makePod('c', { app: 'c', cpu: 3500 })];
  const planned = provisioned(
    makeSnapshot([starting()], [first, follower('b1'), follower('b2'), ...others], POOLS),
    M5,
  );
  t.same(groupsOf(planned), [['c']], 'pods that look at no other are planned for');
  t.same(planned.unplaced.map(({ name }) => name).sort(), ['b1', 'b2']);
});

t.test('a pod that follows a nominated one waits for the next plan', async (t) => {
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 1500 });
  const nominated: Pod = { ...first, status: { ...first.status, nominatedNodeName: 'n' } };
  const planned = provisioned(makeSnapshot([node], [nominated, follower()], POOLS), M5);
  t.match(planned, { plan: null, unplaced: [{ name: 'b', reason: /the next plan looks again/ }] });
});

t.test('a preference for a pod that comes by itself costs nobody its place', async (t) => {
  const planned = provisioned(makeSnapshot([starting()], [first, follower('b', beside('a', 1))], POOLS), M5);
  t.same([planned.unplaced, groupsOf(planned), claimsOf(planned).length], [[], [['b']], 1]);
});

t.test('a pod that follows one which has a node is planned for, whatever else comes by itself', async (t) => {
  const there = makeNode('there', { type: 'm5.xlarge', cpu: 1000 });
  const runs = makePod('runs', { app: 'a', cpu: 1000, node: 'there' });
  const planned = provisioned(makeSnapshot([starting(), there], [first, runs, follower()], POOLS), M5);
  t.same([planned.unplaced, groupsOf(planned)], [[], [['b']]]);
});

const unschedulable = (pod: Pod): Pod => ({
  ...pod,
  status: {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }],
  },
});
const host = 'kubernetes.io/hostname';
const besideHost = (app: string): Partial<PodSpec> => ({
  affinity: {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app } }, topologyKey: host },
      ],
    },
  },
});
const movesOf = ({ plan }: ReturnType<typeof rebalanced>): readonly string[] =>
  (plan?.spec.podsToMigrate ?? []).map(({ name, dstNodeClaimName }) => `${name} ${dstNodeClaimName}`);

t.test('a rebalancing moves no pod to one that waits, and the rest of it goes on', async (t) => {
  const nodes = ['from', 'room', 'idle'].map((name) => makeNode(name, { type: 'm5.xlarge', cpu: 4000 }));
  const keeps = makePod('keeps', { app: 'k', node: 'room', cpu: 500, owner: null });
  const waits = unschedulable(makePod('waits', { app: 'a', cpu: 2000 }));
  const follows = makePod('follows', { app: 'f', node: 'from', cpu: 500, spec: besideHost('a') });
  const answer = rebalanced(makeSnapshot(nodes, [keeps, waits, follows], POOLS), M5);
  t.same(deletedBy(answer), ['claim-idle'], 'its own node stays');
  t.same(movesOf(answer), []);
});

t.test('a rebalancing moves it to another pod that runs', async (t) => {
  const nodes = ['from', 'room', 'leads'].map((name) => makeNode(name, { type: 'm5.xlarge', cpu: 4000 }));
  const keeps = makePod('keeps', { app: 'k', node: 'room', cpu: 500, owner: null });
  const leads = makePod('leads', { app: 'a', node: 'leads', cpu: 2500, owner: null });
  const waits = unschedulable(makePod('waits', { app: 'a', cpu: 2000 }));
  const follows = makePod('follows', { app: 'f', node: 'from', cpu: 500, spec: besideHost('a') });
  const answer = rebalanced(makeSnapshot(nodes, [keeps, leads, waits, follows], POOLS), M5);
  t.same(deletedBy(answer), ['claim-from']);
  t.same(movesOf(answer), ['follows claim-leads']);
});

t.test(
  'a node whose pods are spread over one that waits is left for the next plan, with the reason',
  async (t) => {
    const spread: Partial<PodSpec> = {
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: ZONE,
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { app: 's' } },
        },
      ],
    };
    const at = (name: string, zone: string, cpu = 4000) =>
      makeNode(name, { type: 'm5.xlarge', cpu, zone: `us-west-2${zone}` });
    const nodes = [at('a', 'a', 2000), at('b', 'b'), at('from', 'a'), at('idle', 'b')];
    const pods = [
      makePod('stays', { app: 'k', node: 'b', cpu: 1000, owner: null }),
      makePod('full', { app: 'k', node: 'a', cpu: 100, owner: null }),
      unschedulable(makePod('waits', { app: 's', cpu: 1900, spec: spread })),
      makePod('moves', { app: 's', node: 'from', cpu: 2500, spec: spread }),
      makePod('other', { app: 's', node: 'b', cpu: 100, spec: spread, owner: null }),
    ];
    const list = priceList({
      name: 'm5.xlarge',
      cpu: 4,
      memory: '16Gi',
      price: 0.2,
      zones: ['us-west-2a', 'us-west-2b'],
    });
    const answer = rebalanced(makeSnapshot(nodes, pods, POOLS), list);
    t.ok(deletedBy(answer).includes('claim-idle'), 'the plan is not refused whole');
    t.notOk(deletedBy(answer).includes('claim-from'));
    t.match(
      answer.skippedNodes.find(({ name }) => name === 'from'),
      { reasons: [/the next plan looks again/] },
    );
  },
);
