import t from 'tap';
import type { Node, NodePool } from '../../api/objects.ts';
import { regionOf } from './region.ts';

/** The region of a cluster, as its nodes and NodePools tell it. */

const node = (labels: Record<string, string>, providerID?: string): Node => ({
  metadata: { name: 'n', labels },
  spec: { ...(providerID && { providerID }) },
});
const poolIn = (...values: string[]): NodePool =>
  ({
    metadata: { name: 'p' },
    spec: {
      template: { spec: { requirements: [{ key: 'topology.kubernetes.io/zone', operator: 'In', values }] } },
    },
  }) as unknown as NodePool;
const cluster = (nodes: readonly Node[], nodePools: readonly NodePool[] = []) => ({ nodes, nodePools });

const CASES: readonly (readonly [string, ReturnType<typeof cluster>, string | RegExp])[] = [
  ['a label', cluster([node({ 'topology.kubernetes.io/region': 'eu-west-1' })]), 'eu-west-1'],
  ['an old label', cluster([node({ 'failure-domain.beta.kubernetes.io/region': 'eu-west-1' })]), 'eu-west-1'],
  ['a zone', cluster([node({ 'topology.kubernetes.io/zone': 'us-gov-west-1b' })]), 'us-gov-west-1'],
  ['a machine', cluster([node({}, 'aws:///ap-south-1a/i-0a')]), 'ap-south-1'],
  ['a NodePool, where no node stands', cluster([], [poolIn('us-east-2a', 'us-east-2b')]), 'us-east-2'],
  ['nothing', cluster([node({}, 'kwok://n')]), /give --region/],
  [
    'two regions',
    cluster(['us-east-1', 'eu-west-1'].map((r) => node({ 'topology.kubernetes.io/region': r }))),
    /in the regions eu-west-1, us-east-1: say by --region/,
  ],
];

for (const [from, given, expected] of CASES) {
  t.test(`the region, from ${from}`, async (t) => {
    if (typeof expected === 'string') t.equal(regionOf(given), expected);
    else t.throws(() => regionOf(given), { name: 'UsageError', message: expected });
  });
}
