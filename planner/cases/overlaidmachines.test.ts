import t from 'tap';
import type { NodeOverlay, Requirement } from '../../api/objects.ts';
import { clusterOf } from '../cluster/clusterview.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { priceList, rebalanced } from '../testing/cases.ts';

/** A standing machine and the same one bought anew have one price, whoever tells what a NodeOverlay looks at. */

const POOL = makePool('default', { requirements: [] });
const LISTED = priceList({ name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2 });
const ZONE_ID = 'topology.k8s.aws/zone-id';
const GENERATION = 'karpenter.k8s.aws/instance-generation';
const REGION = 'topology.kubernetes.io/region';

const halved = (requirement: Requirement): NodeOverlay => ({
  kind: 'NodeOverlay',
  metadata: { name: 'halved' },
  spec: { requirements: [requirement], priceAdjustment: '-50%' },
  status: { conditions: [{ type: 'ValidationSucceeded', status: 'True' }] },
});

/** A full m5.xlarge, by whose labels a NodeOverlay halves its price. */
const worldOf = (labels: Readonly<Record<string, string>>, requirement: Requirement) =>
  makeSnapshot([makeNode('a', { labels })], [makePod('p', { node: 'a', cpu: 3000 })], {
    nodePools: [POOL],
    nodeOverlays: [halved(requirement)],
  });
const pricesOf = (snapshot: ReturnType<typeof worldOf>, catalogue = LISTED) =>
  clusterOf(snapshot, catalogue).facts.map(({ price }) => price);

t.test(
  'what only nodes tell prices the standing machine as it prices the same one bought anew',
  async (t) => {
    const told: readonly (readonly [string, string])[] = [
      [ZONE_ID, 'usw2-az1'],
      [GENERATION, '5'],
    ];
    for (const [key, value] of told) {
      const snapshot = worldOf({ [key]: value }, { key, operator: 'In', values: [value] });
      t.same(pricesOf(snapshot), [0.1], key);
      t.notOk(rebalanced(snapshot, LISTED).plan, 'nothing is saved by buying the same again');
    }
  },
);

t.test('the region of a zone is what nodes say, for standing machines and new ones', async (t) => {
  const zones = ['rack-1', 'rack-2'];
  const catalogue = priceList({ name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2, zones });
  const snapshot = worldOf(
    { 'topology.kubernetes.io/zone': 'rack-1', [REGION]: 'cellar' },
    { key: REGION, operator: 'In', values: ['cellar'] },
  );
  t.same(pricesOf(snapshot, catalogue), [0.1]);
  t.notOk(rebalanced(snapshot, catalogue).plan);
});

t.test('a zone that the NodeClass tells no more keeps its standing machines priced', async (t) => {
  const nodeClasses = [
    {
      kind: 'EC2NodeClass',
      metadata: { name: 'default' },
      status: { subnets: [{ zone: 'us-west-2b', zoneID: 'usw2-az2' }] },
    },
  ];
  const requirement: Requirement = { key: ZONE_ID, operator: 'In', values: ['usw2-az1', 'usw2-az2'] };
  const base = worldOf({ [ZONE_ID]: 'usw2-az1' }, requirement);
  t.same(pricesOf({ ...base, nodeClasses }), [0.1]);
  const unlabelled = worldOf({ 'topology.kubernetes.io/zone': 'us-west-2b' }, requirement);
  t.same(pricesOf({ ...unlabelled, nodeClasses }), [0.1], 'the class tells the id of its zone');
});

t.test('a node of no NodePool keeps the price of its cloud', async (t) => {
  const snapshot = worldOf(
    {},
    { key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['m5.xlarge'] },
  );
  t.same(pricesOf(snapshot), [0.1]);
  t.same(pricesOf({ ...snapshot, nodePools: [] }), [0.2]);
});
