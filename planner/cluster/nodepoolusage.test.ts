import t from 'tap';
import type { Node, NodeClaim, NodePool } from '../../api/objects.ts';
import { makeNode, makePool } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { poolUsageOf } from './nodepoolusage.ts';

const pool = (status: Readonly<Record<string, string>>): NodePool => ({
  ...makePool(),
  spec: { ...makePool().spec, limits: { cpu: '100', nodes: '10', 'nvidia.com/gpu': '8' } },
  status: { resources: status },
});
const there = makeNode('a', { cpu: 4000 });
const ordered = (types: readonly string[]): NodeClaim => ({
  ...makeNode('x').claim,
  spec: {
    ...makeNode('x').claim.spec,
    requirements: [{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: [...types] }],
  },
  status: {},
});
const launched = (capacity: Readonly<Record<string, string>>): NodeClaim => ({
  ...makeNode('y').claim,
  status: { providerID: 'aws:///y', capacity },
});

const ofType = { 'node.kubernetes.io/instance-type': 'm5.2xlarge' };

const CASES: readonly (readonly [
  string,
  Readonly<Record<string, string>>,
  readonly NodeClaim[],
  readonly Node[],
  Readonly<Record<string, number>>,
])[] = [
  [
    'the status counts where it is more',
    { cpu: '9', nodes: '2' },
    [there.claim],
    [there.node],
    { cpu: 9000, nodes: 2 },
  ],
  [
    'nodes count that the status does not know yet',
    {},
    [there.claim],
    [there.node],
    { cpu: 4000, nodes: 1, 'nvidia.com/gpu': 0 },
  ],
  [
    'a machine that was ordered and not launched counts as the largest that it may be, beside the status',
    { cpu: '9', nodes: '2' },
    [ordered(['m5.large', 'm5.2xlarge'])],
    [],
    { cpu: 17_000, nodes: 3 },
  ],
  [
    'a launched machine counts with its own capacity before its node is there',
    {},
    [launched({ cpu: '8', 'nvidia.com/gpu': '4' })],
    [],
    { cpu: 8000, nodes: 1, 'nvidia.com/gpu': 4 },
  ],
  [
    'a launched machine whose status says nothing counts by the size of its type',
    {},
    [
      {
        ...launched({}),
        metadata: { ...there.claim.metadata, labels: { ...there.claim.metadata.labels, ...ofType } },
      },
    ],
    [],
    { cpu: 8000, nodes: 1 },
  ],
  [
    'a claim that is being deleted does not count',
    {},
    [{ ...there.claim, metadata: { ...there.claim.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }],
    [there.node],
    { cpu: 0, nodes: 0 },
  ],
];

for (const [name, status, nodeClaims, nodes, expected] of CASES) {
  t.test(name, async (t) => {
    const used = poolUsageOf({ nodePools: [pool(status)], nodeClaims, nodes }, smallCatalogue).get('default');
    t.match(Object.fromEntries(used ?? []), expected);
  });
}

t.test('a GPU that the device plugin has not shown yet counts from the claim', async (t) => {
  const { 'karpenter.sh/initialized': _, ...labels } = there.node.metadata.labels ?? {};
  const node = { ...there.node, metadata: { ...there.node.metadata, labels } };
  const claim = { ...there.claim, status: { ...there.claim.status, capacity: { 'nvidia.com/gpu': '4' } } };
  const used = poolUsageOf({ nodePools: [pool({})], nodeClaims: [claim], nodes: [node] }, smallCatalogue);
  t.equal(used.get('default')?.get('nvidia.com/gpu'), 4);
});

t.test('a NodePool without limits is not counted', async (t) => {
  t.equal(poolUsageOf({ nodePools: [makePool()], nodeClaims: [], nodes: [] }, smallCatalogue).size, 0);
});
