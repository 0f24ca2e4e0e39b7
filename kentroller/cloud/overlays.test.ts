import t from 'tap';
import type { NodeOverlay } from '../../api/objects.ts';
import { makeNode, makePool } from '../../planner/testing/builders.ts';
import { priceList } from '../../planner/testing/cases.ts';
import { createOfferingsReader, type OverlaySource } from './offerings.ts';

const LISTED = priceList({ name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2 });
const TYPE = 'node.kubernetes.io/instance-type';
const pool = (name: string) => makePool(name, { requirements: [] });
const priced = (price: string, resourceVersion: string): NodeOverlay => ({
  metadata: { name: 'a', uid: 'a', resourceVersion },
  spec: { requirements: [{ key: 'karpenter.sh/nodepool', operator: 'In', values: ['blue'] }], price },
  status: { conditions: [{ type: 'ValidationSucceeded', status: 'True' }] },
});

t.test('what is ordered and what leaves is priced with the NodeOverlays of that moment', async (t) => {
  let source: OverlaySource = { nodes: [], nodeOverlays: [], nodePools: [pool('blue'), pool('green')] };
  const read = createOfferingsReader({ catalogue: async () => LISTED }, () => source);
  const now = async (poolName: string) => {
    const offerings = await read();
    const labels = {
      [TYPE]: 'm5.xlarge',
      'topology.kubernetes.io/zone': 'us-west-2a',
      'karpenter.sh/capacity-type': 'on-demand',
      'karpenter.sh/nodepool': poolName,
    };
    return [
      offerings?.priceOf(labels),
      offerings?.allowedBy([{ key: TYPE, operator: 'In', values: ['m5.xlarge'] }], poolName)[0]?.offering
        .price,
    ];
  };
  t.same(await now('blue'), [0.2, 0.2]);
  t.equal(await read(), await read(), 'indexed once');
  source = { ...source, nodeOverlays: [priced('0.1', '1')] };
  t.same(await now('blue'), [0.1, 0.1]);
  t.same(await now('green'), [0.2, 0.2]);
  source = { ...source, nodeOverlays: [priced('0.4', '2')] };
  t.same(await now('blue'), [0.4, 0.4]);
});

t.test('what only nodes and NodeClasses tell prices what leaves and what comes', async (t) => {
  const zoneId = (value: string): NodeOverlay => ({
    ...priced('0.1', '1'),
    spec: {
      requirements: [{ key: 'topology.k8s.aws/zone-id', operator: 'In', values: [value] }],
      price: '0.1',
    },
  });
  const { node } = makeNode('a', { pool: 'blue', labels: { 'topology.k8s.aws/zone-id': 'usw2-az1' } });
  let source: OverlaySource = {
    nodes: [],
    nodePools: [pool('blue')],
    nodeOverlays: [zoneId('usw2-az1')],
  };
  const read = createOfferingsReader({ catalogue: async () => LISTED }, () => source);
  const now = async () => {
    const offerings = await read();
    const allowed = offerings?.allowedBy([{ key: TYPE, operator: 'In', values: ['m5.xlarge'] }], 'blue');
    return [
      offerings?.priceOf(node.metadata.labels),
      ...new Set(allowed?.map(({ offering }) => offering.price)),
    ];
  };
  t.same(await now(), [0.2, 0.2], 'nobody tells the id of the zone');
  source = { ...source, nodes: [node] };
  t.same(await now(), [0.1, 0.1, 0.2]);
  t.equal(await read(), await read(), 'indexed once');
  const nodeClasses = [
    {
      kind: 'EC2NodeClass',
      metadata: { name: 'default', resourceVersion: '1' },
      status: { subnets: [{ zone: 'us-west-2a', zoneID: 'usw2-az7' }] },
    },
  ];
  source = { nodes: [], nodePools: [pool('blue')], nodeOverlays: [zoneId('usw2-az7')], nodeClasses };
  t.same(await now(), [0.1, 0.1, 0.2]);
  source = { ...source, nodePools: [] };
  t.same(await now(), [0.2, 0.2], 'a node of no NodePool');
});
