import t from 'tap';
import type { NodeClassObject, NodeOverlay, NodePool, Requirement } from '../../api/objects.ts';
import { supplyOf } from '../model/supply.ts';
import { makeNode, makePool } from '../testing/builders.ts';
import { priceList } from '../testing/cases.ts';

/** Machines of many NodePools are computed once for all plans of a cluster, with NodeOverlays or without. */

const MANY = 40;
const pools = Array.from({ length: MANY }, (_, n) => makePool(`pool-${n}`));
const nodes = [makeNode('a').node];
const overlay = (requirements: readonly Requirement[]): NodeOverlay => ({
  metadata: { name: 'a' },
  spec: { requirements, priceAdjustment: '-10%' },
  status: { conditions: [{ type: 'ValidationSucceeded', status: 'True' }] },
});
const newList = () => priceList({ name: 'm5.xlarge', price: 0.2 }, { name: 'm6i.xlarge', price: 0.3 });

/** How many lists of types the NodePools have together. */
const listsOf = (nodePools: readonly NodePool[], ...nodeOverlays: readonly NodeOverlay[]): number => {
  const supply = supplyOf(newList(), { nodes, csiNodes: [], nodePools, nodeOverlays });
  return new Set(nodePools.map((pool) => supply.of(pool).types)).size;
};

t.test('NodePools that overlays tell alike share their types', async (t) => {
  t.equal(listsOf(pools), 1);
  t.equal(listsOf(pools, overlay([])), 1);
  const named = { key: 'karpenter.sh/nodepool', operator: 'In', values: ['pool-7'] } as const;
  t.equal(listsOf(pools, overlay([named])), 2, 'that of the named one and that of all others');
  const team = { key: 'team', operator: 'In', values: ['web'] } as const;
  const withTeam = pools.map((pool, n): NodePool => {
    const { template } = pool.spec;
    const labels = { team: n % 2 === 0 ? 'web' : 'db', other: String(n) };
    return { ...pool, spec: { ...pool.spec, template: { ...template, metadata: { labels } } } };
  });
  t.equal(listsOf(withTeam, overlay([team])), 2, 'only a label that an overlay names tells them apart');
});

t.test('the next plan finds the types of all NodePools, however many there are', async (t) => {
  const ofClass = (pool: NodePool, n: number): NodePool => {
    const { template } = pool.spec;
    const nodeClassRef = { ...template.spec.nodeClassRef, name: `class-${n}` };
    return {
      ...pool,
      spec: { ...pool.spec, template: { ...template, spec: { ...template.spec, nodeClassRef } } },
    };
  };
  const nodePools = pools.map(ofClass);
  const nodeClasses = nodePools.map(
    (_, n): NodeClassObject => ({
      kind: 'EC2NodeClass',
      metadata: { name: `class-${n}` },
      spec: { kubelet: { maxPods: 20 + n } },
    }),
  );
  const catalogue = newList();
  const typesNow = () => {
    const supply = supplyOf(catalogue, { nodes, csiNodes: [], nodePools, nodeClasses });
    return nodePools.map((pool) => supply.of(pool).types);
  };
  const first = typesNow();
  t.equal(new Set(first).size, MANY);
  t.ok(
    typesNow().every((types, n) => types === first[n]),
    'nothing is computed again',
  );
});
