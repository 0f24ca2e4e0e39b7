import t from 'tap';
import { CONTROL_PLANE, PLANS_ONLY } from '../../api/labels.ts';
import type { NodeClaim } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { provision } from '../provision.ts';
import { rebalance } from '../rebalance.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { workerCores } from './clustercores.ts';

const pods = (n: number, prefix = 'p') =>
  Array.from({ length: n }, (_, at) => makePod(`${prefix}-${at}`, { cpu: 1500, memory: 1000 }));
const REQUEST = { catalogue: smallCatalogue, now: 0, seed: 1, planName: 'p', rounds: 50 };
const coresOf = (result: { plan: { savings: { greenNodes?: { milliCPU: number }[] } } | null }): number =>
  (result.plan?.savings.greenNodes ?? []).reduce((sum, node) => sum + node.milliCPU, 0);

/** A NodeClaim that is ordered as one of these types, or launched with so many cores. */
const claim = (name: string, o: { types?: readonly string[]; cpu?: string; deleted?: true }): NodeClaim => ({
  metadata: { name, ...(o.deleted && { deletionTimestamp: '2026-01-01T00:00:00Z' }) },
  spec: {
    nodeClassRef: { group: 'g', kind: 'k', name: 'n' },
    requirements: o.types
      ? [{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: [...o.types] }]
      : [],
  },
  status: o.cpu ? { providerID: `id-${name}`, capacity: { cpu: o.cpu } } : {},
});

t.test(
  'cores of workers count from the order of a machine until it is gone, whoever ordered it',
  async (t) => {
    const standing = makeNode('a');
    const { nodes, nodeClaims } = makeSnapshot([standing], []);
    const cpu = amount('cpu', standing.node.status?.capacity?.cpu ?? '0');
    t.equal(workerCores({ nodes, nodeClaims }, smallCatalogue), cpu, 'a node and its claim count once');
    const more = [
      claim('ordered', { types: ['m5.large', 'm5.2xlarge'] }),
      claim('launched', { cpu: '4' }),
      claim('leaving', { cpu: '16', deleted: true }),
    ];
    t.equal(
      workerCores({ nodes, nodeClaims: [...nodeClaims, ...more] }, smallCatalogue),
      cpu + 8_000 + 4_000 + 16_000,
    );
    const control = {
      metadata: { name: 'cp', labels: { [CONTROL_PLANE]: '' } },
      status: { capacity: { cpu: '8' } },
    };
    t.equal(workerCores({ nodes: [...nodes, control], nodeClaims }, smallCatalogue), cpu, 'no worker');
  },
);

t.test('a plan that would pass maxCores is cut to what fits, and the other pods are told', async (t) => {
  const snapshot = makeSnapshot([], pods(6), { nodePools: [makePool()] });
  const free = provision({ ...REQUEST, snapshot });
  t.ok(coresOf(free) > 4000, 'without the limit it buys more');
  const cut = provision({ ...REQUEST, snapshot, maxCores: 4 });
  t.ok(coresOf(cut) > 0 && coresOf(cut) <= 4000, `${coresOf(cut)} millicores`);
  t.ok(cut.unplaced.length >= 4);
  for (const { reason } of cut.unplaced)
    t.match(reason, /the cluster may have 4 cores \(clusterLimits.cpu.maxCores/);
});

t.test('no alternative of a planned claim takes the cluster past maxCores', async (t) => {
  const snapshot = makeSnapshot([], pods(1), { nodePools: [makePool()] });
  const { plan } = provision({ ...REQUEST, snapshot, maxCores: 2 });
  const named = (plan?.spec.nodeClaimsToAdd ?? []).flatMap(({ alternatives = [] }) =>
    alternatives.flatMap(({ requirements }) =>
      requirements.flatMap(({ key, values = [] }) =>
        key === 'node.kubernetes.io/instance-type' ? values : [],
      ),
    ),
  );
  const cpuOf = (name: string) =>
    smallCatalogue.instanceTypes.find((type) => type.name === name)?.capacity.cpu;
  t.ok(named.length > 0);
  t.same(
    named.filter((name) => (cpuOf(name) ?? 0) > 2000),
    [],
  );
});

t.test('nodes that a rebalancing removes give nothing back before they are gone', async (t) => {
  const owned = Array.from({ length: 4 }, (_, n) =>
    makePod(`o-${n}`, { cpu: 200, memory: 200, node: `n-${n}` }),
  );
  const snapshot = makeSnapshot(
    Array.from({ length: 4 }, (_, n) => makeNode(`n-${n}`, { type: 'm5.2xlarge' })),
    owned,
  );
  const used = workerCores(snapshot, smallCatalogue) / 1000;
  const { plan } = rebalance({ ...REQUEST, snapshot, maxCores: used });
  t.same(plan?.spec.nodeClaimsToAdd ?? [], []);
});

t.test('limits of 0 bind no plan in a NodePool for plans alone, and others do', async (t) => {
  const closed = { ...makePool(), spec: { ...makePool().spec, limits: { cpu: '0' } } };
  const ours = { ...closed, metadata: { ...closed.metadata, annotations: { [PLANS_ONLY]: 'true' } } };
  const planned = (pool: typeof closed): number =>
    coresOf(provision({ ...REQUEST, snapshot: makeSnapshot([], pods(3), { nodePools: [pool] }) }));
  t.equal(planned(closed), 0);
  t.ok(planned(ours) > 0);
  const nodes = { ...ours, spec: { ...ours.spec, limits: { cpu: '0', nodes: '1' } } };
  const { plan } = provision({ ...REQUEST, snapshot: makeSnapshot([], pods(30), { nodePools: [nodes] }) });
  t.equal(plan?.spec.nodeClaimsToAdd?.length, 1);
});
