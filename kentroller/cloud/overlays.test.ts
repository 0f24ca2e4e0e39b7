import t from 'tap';
import type { NodeOverlay } from '../../api/objects.ts';
import { makePool } from '../../planner/testing/builders.ts';
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
  let source: OverlaySource = { nodeOverlays: [], nodePools: [pool('blue'), pool('green')] };
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
