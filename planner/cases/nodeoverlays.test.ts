import t from 'tap';
import type { NodeOverlay, Requirement } from '../../api/objects.ts';
import { clusterOf } from '../cluster/clusterview.ts';
import { withPriceOverlay } from '../model/discounts.ts';
import { changedPrice } from '../model/offers/nodeoverlay.ts';
import { snapshotFromList } from '../model/snapshot.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { claimsOf, everyValue, priceList, provisioned, rebalanced } from '../testing/cases.ts';

const TYPE = 'node.kubernetes.io/instance-type';
const ZONE = 'topology.kubernetes.io/zone';
const POOL = makePool('default', { requirements: [] });
const LISTED = priceList(
  { name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2 },
  { name: 'm6g.xlarge', cpu: 4, memory: '16Gi', price: 0.3 },
);

type Spec = NodeOverlay['spec'];
const overlay = (name: string, spec: Spec, verdict: 'True' | 'False' | 'none' = 'True'): NodeOverlay => ({
  kind: 'NodeOverlay',
  metadata: { name },
  spec,
  ...(verdict !== 'none' && {
    status: {
      conditions: [
        {
          type: 'ValidationSucceeded',
          status: verdict,
          ...(verdict === 'False' && { reason: 'Conflict' }),
        },
      ],
    },
  }),
});
const of = (key: string, ...values: readonly string[]): Requirement => ({ key, operator: 'In', values });
const M6G = [of(TYPE, 'm6g.xlarge')];

/** Price of the machine that a plan for one pod buys first, and its type. */
const firstOf = (overlays: readonly NodeOverlay[], catalogue = LISTED, pool = POOL) => {
  const snapshot = makeSnapshot([], [makePod('p', { cpu: 3000 })], {
    nodePools: [pool],
    nodeOverlays: overlays,
  });
  const [claim] = claimsOf(provisioned(snapshot, catalogue));
  const [first] = claim?.alternatives ?? [];
  const types = first?.requirements.find(({ key }) => key === TYPE)?.values;
  return { type: types?.[0], price: Number(first?.priceHourly) };
};

t.test('the price of a NodeOverlay is that of the machines it names', async (t) => {
  t.match(firstOf([]), { type: 'm5.xlarge', price: 0.2 });
  t.match(firstOf([overlay('a', { requirements: M6G, price: '0.1' })]), { type: 'm6g.xlarge', price: 0.1 });
  t.match(firstOf([overlay('a', { requirements: M6G, priceAdjustment: '-50%' })]), {
    type: 'm6g.xlarge',
    price: 0.15,
  });
});

t.test('an overlay that Karpenter has not accepted changes nothing', async (t) => {
  for (const verdict of ['False', 'none'] as const) {
    t.match(firstOf([overlay('a', { requirements: M6G, price: '0.1' }, verdict)]), { type: 'm5.xlarge' });
  }
});

t.test('the price is that of the larger weight, then of the later name', async (t) => {
  const light = overlay('z', { requirements: M6G, price: '0.1', weight: 1 });
  const heavy = overlay('a', { requirements: M6G, price: '0.05', weight: 2 });
  t.match(firstOf([light, heavy]), { price: 0.05 });
  const later = overlay('b', { requirements: M6G, price: '0.04', weight: 2 });
  t.match(firstOf([later, light, heavy]), { price: 0.04 });
});

t.test('a NodePool, its labels, a zone and a capacity type restrict an overlay', async (t) => {
  const labelled = {
    ...POOL,
    spec: { ...POOL.spec, template: { ...POOL.spec.template, metadata: { labels: { team: 'web' } } } },
  };
  const priced = (...requirements: readonly Requirement[]) =>
    firstOf([overlay('a', { requirements: [...M6G, ...requirements], price: '0.1' })], LISTED, labelled)
      .price;
  t.equal(priced(of('karpenter.sh/nodepool', 'default')), 0.1);
  t.equal(priced(of('karpenter.sh/nodepool', 'other')), 0.2);
  t.equal(priced(of('team', 'web')), 0.1);
  t.equal(priced(of('team', 'db')), 0.2);
  t.equal(priced(of('no-such-label', 'x')), 0.2);
  t.equal(priced({ key: 'no-such-label', operator: 'DoesNotExist' }), 0.1);
  t.equal(priced(of('karpenter.sh/capacity-type', 'spot')), 0.2);
  t.equal(priced(of(ZONE, 'nowhere')), 0.2);
  const zonal = overlay('a', { requirements: [...M6G, of(ZONE, 'us-west-2b')], price: '0.1' });
  const snapshot = makeSnapshot([], [makePod('p', { cpu: 3000 })], {
    nodePools: [POOL],
    nodeOverlays: [zonal],
  });
  t.ok(everyValue(provisioned(snapshot, LISTED), ZONE).includes('us-west-2b'));
  t.equal(firstOf([zonal]).price, 0.1);
});

/** Places a pod that asks for these resources; the types that it may get, none where it gets no place. */
const typesFor = (
  asked: Readonly<Record<string, string>>,
  nodeOverlays: readonly NodeOverlay[],
): readonly string[] => {
  const pod = makePod('p', { cpu: 100 });
  const [container] = pod.spec.containers;
  if (!container) throw new Error('the pod has no container');
  const requests = { ...container.resources?.requests, ...asked };
  const asking = { ...pod, spec: { ...pod.spec, containers: [{ ...container, resources: { requests } }] } };
  const result = provisioned(makeSnapshot([], [asking], { nodePools: [POOL], nodeOverlays }), LISTED);
  return result.unplaced.length > 0 ? [] : everyValue(result, TYPE);
};

t.test('a resource that an overlay adds makes room for pods that ask for it', async (t) => {
  const asked = { 'smarter-devices/fuse': '1' };
  t.same(typesFor(asked, []), []);
  t.same(typesFor(asked, [overlay('a', { requirements: M6G, capacity: asked })]), ['m6g.xlarge']);
});

t.test(
  'each resource comes from the heaviest overlay that names it, and the price from one of its own',
  async (t) => {
    const fuse = 'smarter-devices/fuse';
    const tun = 'smarter-devices/tun';
    const heavy = overlay('a', { requirements: M6G, capacity: { [fuse]: '2' }, weight: 2 });
    const light = overlay('z', {
      requirements: M6G,
      capacity: { [fuse]: '8', [tun]: '3' },
      price: '0.1',
      weight: 1,
    });
    for (const overlays of [
      [heavy, light],
      [light, heavy],
    ]) {
      t.same(typesFor({ [fuse]: '2', [tun]: '3' }, overlays), ['m6g.xlarge'], 'of both');
      t.same(typesFor({ [fuse]: '3' }, overlays), [], 'the light one would give 8');
      t.same(typesFor({ [tun]: '4' }, overlays), [], 'no more than the light one gives');
      t.match(firstOf(overlays), { type: 'm6g.xlarge', price: 0.1 }, 'the heavy one has no price');
    }
    const later = overlay('b', { requirements: M6G, capacity: { [fuse]: '1' }, weight: 2 });
    t.same(typesFor({ [fuse]: '2' }, [later, heavy]), [], 'of one weight, the later name');
    t.same(typesFor({ [fuse]: '1' }, [later, heavy]), ['m6g.xlarge']);
  },
);

t.test('a standing node costs what the overlay of its NodePool says', async (t) => {
  const nodes = [makeNode('a', { type: 'm5.xlarge' }), makeNode('b', { type: 'm5.xlarge', pool: 'other' })];
  const nodeOverlays = [
    overlay('dear', { requirements: [of('karpenter.sh/nodepool', 'other')], priceAdjustment: '+100%' }),
  ];
  const nodePools = [POOL, makePool('other', { requirements: [] })];
  const { facts } = clusterOf(makeSnapshot(nodes, [], { nodePools, nodeOverlays }), LISTED);
  t.same(
    facts.map(({ price }) => price),
    [0.2, 0.4],
  );
});

t.test('an overlay counts before discounts of our own', async (t) => {
  const ours = withPriceOverlay(LISTED, { discounts: [{ percent: 50 }] });
  t.match(firstOf([], ours), { type: 'm5.xlarge', price: 0.1 });
  t.match(firstOf([overlay('a', { requirements: M6G, price: '0.1' })], ours), {
    type: 'm6g.xlarge',
    price: 0.05,
  });
  t.match(firstOf([overlay('a', { requirements: M6G, priceAdjustment: '-0.2' })], ours), {
    type: 'm6g.xlarge',
    price: 0.05,
  });
});

t.test('machines that cost nothing are planned like others', async (t) => {
  const free = [overlay('a', { requirements: M6G, priceAdjustment: '-100%' })];
  t.match(firstOf(free), { type: 'm6g.xlarge', price: 0 });
  const snapshot = makeSnapshot([makeNode('a')], [makePod('p', { node: 'a', cpu: 1000 })], {
    nodePools: [POOL],
    nodeOverlays: free,
  });
  t.match(claimsOf(rebalanced(snapshot, LISTED))[0]?.alternatives?.[0], { priceHourly: '0' });
});

t.test('prices change as Karpenter changes them', async (t) => {
  for (const [change, expected] of [
    ['0.5', 0.5],
    ['+0.5', 1.5],
    ['-0.25', 0.75],
    ['-2', 0],
    ['+10%', 1.1],
    ['-10%', 0.9],
    ['-100%', 0],
    ['much', 1],
    ['', 1],
  ] as const) {
    t.ok(Math.abs(changedPrice(1, change) - expected) < 1e-9, change);
  }
});

t.test('NodeOverlays are read from files', async (t) => {
  const item = { ...overlay('a', { requirements: M6G, price: '0.1' }), apiVersion: 'karpenter.sh/v1alpha1' };
  t.match(snapshotFromList({ items: [item] }).nodeOverlays, [{ metadata: { name: 'a' } }]);
});
