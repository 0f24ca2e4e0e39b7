import t from 'tap';
import type { NodeOverlay } from '../../api/objects.ts';
import { clusterOf } from '../../planner/cluster/clusterview.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { machines, makeDaemonPod, makeDaemonSet } from '../../planner/testing/smallworld.ts';
import { reportOf } from '../reportmodel.ts';
import { checkRegions, unseenOf } from './unseen.ts';

const whole = makeSnapshot([makeNode('a')], [makePod('p', { node: 'a' }), makeDaemonPod('agent', 'a')], {
  daemonSets: [makeDaemonSet('agent', {})],
});
const said = (snapshot: Snapshot): readonly string[] => unseenOf(clusterOf(snapshot, machines));

t.test('a whole snapshot leaves nothing unseen', async (t) => {
  t.same(said(whole), []);
});

t.test('case 50: pods on nodes that are not in the snapshot are told', async (t) => {
  const gone = makePod('gone', { node: 'elsewhere' });
  t.match(said({ ...whole, pods: [...whole.pods, gone] }), [
    /^Pod default\/gone runs on a node that is not in the snapshot \(elsewhere\)/,
  ]);
  const many = Array.from({ length: 9 }, (_, n) => makePod(`g${n}`, { node: `n${n}` }));
  t.match(said({ ...whole, pods: many }), [/^9 pods run on nodes .*\(n0, n1, n2, n3, n4 and 4 more\)/]);
  const ended = { ...gone, status: { phase: 'Succeeded' as const } };
  t.same(said({ ...whole, pods: [ended] }), []);
});

t.test('case 20: what the rest of the snapshot proves to be missing is told', async (t) => {
  t.match(said({ ...whole, daemonSets: [] }), [
    /^Pods of DaemonSet default\/agent run, and the DaemonSet is not/,
  ]);
  t.match(said({ ...whole, nodeClaims: [] }), [/^Karpenter made nodes whose NodeClaims are not .*\(a\)/]);
  t.match(said({ ...whole, nodePools: [] }), [/^Nodes carry the names of NodePools that are not .*\(a\)/]);
  const mounts = makePod('db', {
    node: 'a',
    spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
  });
  t.match(said({ ...whole, pods: [mounts] }), [/PersistentVolumeClaims that are not .*\(default\/db\)/]);
  t.match(said({ ...whole, notes: ['A note.'] }), ['A note.']);
});

t.test(
  'case 05, 24: nodes without a price are told, and a saving on nothing has no percentage',
  async (t) => {
    const odd = makeSnapshot([makeNode('b', { type: 'x9.huge' })], []);
    t.match(said(odd), [/^The price of a node is not known \(b\), so the sums are without it: /]);
    const cluster = clusterOf(odd, machines);
    const prices = { source: 'file', region: null, summary: '', gaps: [] } as const;
    const none = { plan: null, skippedNodes: [], selectedNodes: [] };
    const beside = { savingsBy: [], choices: [], kindChanges: [], unseen: said(odd) };
    const report = reportOf(cluster, none, { catalogue: machines, prices }, beside);
    t.equal(report.savingsPercent, null);
    t.equal(report.unseen.length, 1);
  },
);

t.test('case 39: the price list of another region is refused by name', async (t) => {
  const at = (zone: string, labels = {}) => makeSnapshot([makeNode('a', { zone, labels })], []);
  t.throws(() => checkRegions(at('eu-central-1a'), machines), {
    name: 'UsageError',
    message: /^The catalogue has prices of us-west-2 and the nodes are in eu-central-1, .*\.$/,
  });
  t.throws(() => checkRegions(at('mars'), machines), { message: /mars/ });
  checkRegions(at('us-west-2d'), machines);
  checkRegions(makeSnapshot([], []), machines);
  checkRegions(at('odd', { 'topology.kubernetes.io/region': 'us-west-2' }), machines);
});

const overlay = (name: string, spec: NodeOverlay['spec']): NodeOverlay => ({
  metadata: { name },
  spec,
  status: { conditions: [{ type: 'ValidationSucceeded', status: 'True' }] },
});

t.test(
  'prices that a NodeOverlay in force sets are told by its name, beside where prices come from',
  async (t) => {
    const type = { key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['m5.xlarge'] } as const;
    const nodeOverlays = [
      overlay('steer', { requirements: [type], priceAdjustment: '-50%', weight: 2 }),
      overlay('hidden', { requirements: [type], priceAdjustment: '-10%', weight: 1 }),
      overlay('same', { requirements: [], priceAdjustment: '+0%' }),
      overlay('fuse', { requirements: [], capacity: { 'smarter-devices/fuse': '1' } }),
    ];
    const steered = { ...whole, nodeOverlays };
    t.match(said(steered), [/^NodeOverlay steer sets the price of 1 instance type,.*bill may differ/]);
    t.equal(said(steered).length, 1);
    const dear = overlay('dear', { requirements: [], price: '9' });
    t.match(said({ ...whole, nodeOverlays: [dear] }), [
      /^NodeOverlay dear sets the prices of \d+ instance types, /,
    ]);
    const cluster = clusterOf(steered, machines);
    const prices = { source: 'file', region: null, summary: 'prices of f', gaps: [] } as const;
    const none = { plan: null, skippedNodes: [], selectedNodes: [] };
    const beside = { savingsBy: [], choices: [], kindChanges: [], unseen: [] };
    const report = reportOf(cluster, none, { catalogue: machines, prices }, beside);
    t.equal(report.prices.summary, 'prices of f, as NodeOverlay steer changes them');
    t.match(
      said({ ...steered, nodePools: [] }).filter((each) => each.includes('NodeOverlay')),
      [],
    );
  },
);
