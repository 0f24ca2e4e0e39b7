import t from 'tap';
import type { Node, NodePool } from '../../api/objects.ts';
import { zonesIn, zonesOf } from './zonesinuse.ts';

/** The zones of a cluster, as its nodes and NodePools tell them. */

const node = (labels: Record<string, string>): Node => ({ metadata: { name: 'n', labels } });
const poolIn = (...values: string[]): NodePool =>
  ({
    metadata: { name: 'p' },
    spec: {
      template: { spec: { requirements: [{ key: 'topology.kubernetes.io/zone', operator: 'In', values }] } },
    },
  }) as unknown as NodePool;
const cluster = (nodes: readonly Node[], nodePools: readonly NodePool[] = []) => ({ nodes, nodePools });

t.test('zones keep the ids that nodes show', async (t) => {
  const a = { 'topology.kubernetes.io/zone': 'us-east-1a' };
  const zones = zonesOf(
    cluster(
      [node({ ...a, 'topology.k8s.aws/zone-id': 'use1-az4' }), node(a)],
      [poolIn('us-east-1a', 'us-east-1b')],
    ),
  );
  t.strictSame(
    [...zones],
    [
      ['us-east-1a', 'use1-az4'],
      ['us-east-1b', undefined],
    ],
  );
});

t.test('zones of other regions are not priced', async (t) => {
  const nodes = ['us-east-1a', 'eu-west-1a', 'somewhere'].map((zone) =>
    node({ 'topology.kubernetes.io/zone': zone }),
  );
  t.strictSame([...zonesIn('us-east-1', cluster(nodes)).keys()], ['us-east-1a', 'somewhere']);
});
