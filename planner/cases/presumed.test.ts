import t from 'tap';
import type { Pod, PodSpec } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { claimsOf, groupsOf, priceList, provisioned } from '../testing/cases.ts';

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
