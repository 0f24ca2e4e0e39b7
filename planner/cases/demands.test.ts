import t from 'tap';
import type { NodePool } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import {
  allowedValues,
  claimsOf,
  deletedBy,
  everyValue,
  priceList,
  provisioned,
  rebalanced,
} from '../testing/cases.ts';

/** Kinds 6 to 9 and 12: demands of pods and NodePools, and the reasons when they can't be met. */

const TYPE = 'node.kubernetes.io/instance-type';
const ZONE = 'topology.kubernetes.io/zone';
const open = (spec: Partial<NodePool['spec']['template']['spec']> = {}) => ({
  nodePools: [makePool('general', { requirements: [], ...spec })],
});

t.test('case 12: a type that is sold for two systems is bought for the one that is asked for', async (t) => {
  const list = priceList(
    { name: 'm5.large', price: 0.096 },
    { name: 'm5.large', price: 0.188, os: ['windows'] },
  );
  const pod = makePod('iis', { spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } });
  const planned = provisioned(makeSnapshot([], [pod], open()), list);
  t.same(planned.unplaced, []);
  t.equal(claimsOf(planned)[0]?.alternatives?.[0]?.priceHourly, '0.188');
});

t.test('case 16c: nothing is bought for a pod that asks for a device by a claim', async (t) => {
  const list = priceList({ name: 'm5.large' });
  const pod = makePod('train-1', { spec: { resourceClaims: [{ name: 'gpu' }] } });
  const planned = provisioned(makeSnapshot([], [pod], open()), list);
  t.same(claimsOf(planned), []);
  t.match(planned.unplaced, [{ name: 'train-1', reason: /resource claim gpu/ }]);
});

t.test('case 22: Gte and Lte are understood', async (t) => {
  const list = priceList(
    { name: 'm4.xlarge', cpu: 4, memory: '16Gi', price: 0.1 },
    { name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.19 },
    { name: 'm5.4xlarge', cpu: 16, memory: '64Gi', price: 0.77 },
    { name: 'm5.8xlarge', cpu: 32, memory: '128Gi', price: 1.5 },
  );
  const pools = open({
    requirements: [
      { key: 'karpenter.k8s.aws/instance-generation', operator: 'Gte', values: ['5'] },
      { key: 'karpenter.k8s.aws/instance-cpu', operator: 'Lte', values: ['16'] },
    ],
  });
  const nodes = ['n1', 'n2'].map((name) =>
    makeNode(name, {
      type: 'm5.4xlarge',
      cpu: 15_900,
      memory: 60_000,
      pool: 'general',
      labels: { 'karpenter.k8s.aws/instance-generation': '5', 'karpenter.k8s.aws/instance-cpu': '16' },
    }),
  );
  const pods = nodes.map((_, n) => makePod(`p${n}`, { node: `n${n + 1}`, cpu: 2000 }));
  const moved = rebalanced(makeSnapshot(nodes, pods, pools), list);
  t.same(deletedBy(moved), ['claim-n1', 'claim-n2']);
  t.ok(everyValue(moved, TYPE).every((name) => name === 'm5.xlarge' || name === 'm5.4xlarge'));
  const large = provisioned(makeSnapshot([], [makePod('c-1', { cpu: 20_000 })], pools), list);
  t.same([claimsOf(large), large.unplaced.length], [[], 1]);
});

t.test('case 31: a limit that is reached is the reason', async (t) => {
  const pool = makePool('general', { requirements: [] });
  const nodePools = [{ ...pool, spec: { ...pool.spec, limits: { cpu: '4' } } }];
  const list = priceList({ name: 'm5.xlarge', cpu: 4, memory: '16Gi' });
  const node = makeNode('n', { type: 'm5.xlarge', pool: 'general' });
  const capacity = { ...node.node.status?.capacity, cpu: '4' };
  const full = {
    claim: { ...node.claim, status: { ...node.claim.status, capacity } },
    node: { ...node.node, status: { ...node.node.status, capacity } },
  };
  const pods = [makePod('full', { node: 'n', cpu: 3500 }), makePod('web', { cpu: 1000 })];
  const planned = provisioned(makeSnapshot([full], pods, { nodePools }), list);
  t.same(claimsOf(planned), []);
  t.match(planned.unplaced, [{ name: 'web', reason: /NodePool general has a limit of 4 for cpu/ }]);
});

t.test('case 36: a resource that the catalogue does not list is named, not called too small', async (t) => {
  const list = priceList({ name: 'm5.large' });
  const [main] = makePod('x').spec.containers;
  const requests = { cpu: '100m', 'vpc.amazonaws.com/pod-eni': '1' };
  const pod = makePod('sgp-1', {
    spec: { containers: [{ name: 'main', ...main, resources: { requests } }] },
  });
  const planned = provisioned(makeSnapshot([], [pod], open()), list);
  t.same(claimsOf(planned), []);
  t.match(planned.warnings, [/No instance type of the catalogue lists vpc\.amazonaws\.com\/pod-eni/]);
});

t.test('case 66: a DaemonSet that selects a label which Karpenter gives every node counts', async (t) => {
  const list = priceList({ name: 'm.2', price: 0.1 }, { name: 'm.4', cpu: 4, price: 0.2 });
  const daemonSets = [
    {
      metadata: { name: 'agent', namespace: 'default' },
      spec: {
        template: {
          spec: {
            nodeSelector: { 'karpenter.sh/registered': 'true' },
            containers: [{ name: 'main', resources: { requests: { cpu: '1500m' } } }],
          },
        },
      },
    },
  ];
  const waits = makePod('p', { cpu: 1000 });
  t.same(everyValue(provisioned(makeSnapshot([], [waits], { ...open(), daemonSets }), list), TYPE), ['m.4']);
});

t.test('case 68: minValues are met by types that are sold in a zone each', async (t) => {
  const list = priceList(
    { name: 'm.2', price: 0.1, zones: ['a'] },
    { name: 'm.4', cpu: 4, price: 0.2, zones: ['b'] },
  );
  const pools = open({ requirements: [{ key: TYPE, operator: 'Exists', minValues: 2 }] });
  const planned = provisioned(makeSnapshot([], [makePod('p')], pools), list);
  t.equal(claimsOf(planned).length, 1);
  const [claim] = claimsOf(planned);
  t.same(claim && allowedValues(claim, TYPE)[0], ['m.2', 'm.4']);
  t.same(claim && allowedValues(claim, ZONE)[0], ['a', 'b']);
});

t.test('case 25: a type at a price of 0 is not bought, and named', async (t) => {
  const list = priceList({ name: 'free', price: 0 }, { name: 'm5.large', price: 0.096 });
  const planned = provisioned(makeSnapshot([], [makePod('p')], open()), list);
  t.same(everyValue(planned, TYPE), ['m5.large']);
  t.match(list.warnings, [/^Instance type free has a price of 0/]);
  const alone = provisioned(makeSnapshot([], [makePod('p')], open()), priceList({ name: 'free', price: 0 }));
  t.same([claimsOf(alone), alone.unplaced.length], [[], 1]);
});
