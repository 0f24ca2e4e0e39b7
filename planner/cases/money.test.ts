import t from 'tap';
import type { Node, NodePool, Pod } from '../../api/objects.ts';
import { clusterOf } from '../cluster/clusterview.ts';
import { catalogueFromKwok } from '../model/catalogue.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { deletedBy, machines, rebalanceOf } from '../testing/smallworld.ts';

const ZONES = ['us-west-2a', 'us-west-2b'];
const offering = (capacityType: string, Price: number) => ({
  Price,
  Requirements: [
    { key: 'karpenter.sh/capacity-type', operator: 'In', values: [capacityType] },
    { key: 'topology.kubernetes.io/zone', operator: 'In', values: ZONES },
  ],
});
const priced = catalogueFromKwok(
  [
    ['linux', 0.1],
    ['windows', 0.2],
  ].map(([os, price]) => ({
    name: 'm5.large',
    architecture: 'amd64',
    operatingSystems: [os],
    resources: { cpu: '2', memory: '8Gi' },
    offerings: [offering('on-demand', Number(price)), offering('spot', Number(price) / 2)],
  })),
);

const TYPE = 'node.kubernetes.io/instance-type';
const ZONE = 'topology.kubernetes.io/zone';
const priceOf = (labels: Record<string, string>): number | undefined => {
  const node: Node = { kind: 'Node', metadata: { name: 'n', labels }, status: {} };
  return clusterOf(makeSnapshot([], [], { nodes: [node] }), priced).facts[0]?.price;
};
const MANAGED = { [TYPE]: 'm5.large', [ZONE]: 'us-west-2a' };

const ROWS: readonly (readonly [string, Record<string, string>, number | undefined])[] = [
  ['a node without a word on its capacity type', MANAGED, 0.1],
  ["Karpenter's label", { ...MANAGED, 'karpenter.sh/capacity-type': 'spot' }, 0.05],
  ['EKS, spot', { ...MANAGED, 'eks.amazonaws.com/capacityType': 'SPOT' }, 0.05],
  ['EKS, on demand', { ...MANAGED, 'eks.amazonaws.com/capacityType': 'ON_DEMAND' }, 0.1],
  ['EKS, a capacity block', { ...MANAGED, 'eks.amazonaws.com/capacityType': 'CAPACITY_BLOCK' }, undefined],
  ['a capacity reservation', { ...MANAGED, 'karpenter.sh/capacity-type': 'reserved' }, undefined],
  ['kops', { ...MANAGED, 'node.kubernetes.io/lifecycle': 'spot' }, 0.05],
  ['GKE', { ...MANAGED, 'cloud.google.com/gke-spot': 'true' }, 0.05],
  ['AKS', { ...MANAGED, 'kubernetes.azure.com/scalesetpriority': 'spot' }, 0.05],
  [
    'old labels alone',
    {
      'beta.kubernetes.io/instance-type': 'm5.large',
      'failure-domain.beta.kubernetes.io/zone': 'us-west-2b',
    },
    0.1,
  ],
  ['windows', { ...MANAGED, 'kubernetes.io/os': 'windows' }, 0.2],
  ['windows by the old label', { ...MANAGED, 'beta.kubernetes.io/os': 'windows' }, 0.2],
  ['an operating system without a price', { ...MANAGED, 'kubernetes.io/os': 'plan9' }, undefined],
  ['another zone', { ...MANAGED, [ZONE]: 'us-west-2z' }, undefined],
];

for (const [name, labels, price] of ROWS) {
  t.test(`case 05, 24: the price of ${name}`, async (t) => {
    t.equal(priceOf(labels), price);
  });
}

t.test('case 49: no percentage is told of a bound of 0', async (t) => {
  const apart = {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } },
      ],
    },
  };
  const pod = (name: string, node: string): Pod =>
    makePod(name, { node, cpu: 100, memory: 100, spec: { affinity: apart } });
  const held = pod('held', 'b');
  const marked = {
    ...held,
    metadata: { ...held.metadata, annotations: { 'karpenter.sh/do-not-disrupt': 'true' } },
  };
  const big = { type: 'm5.4xlarge', cpu: 15_900, memory: 60_000 };
  const nodes = [makeNode('a', big), makeNode('b', big)];
  const result = rebalanceOf(makeSnapshot(nodes, [pod('p', 'a'), marked]));
  t.same(deletedBy(result), ['claim-a']);
  const { savings } = result.plan ?? {};
  t.equal(savings?.lowerBoundMonthlyCost, '0.00');
  t.equal(savings?.gapPercent, undefined);
  const free = rebalanceOf(makeSnapshot([makeNode('a', big)], []));
  t.equal(free.plan?.savings.gapPercent, '0.0', 'nothing is 0 % above nothing');
});

const held = (disruption: NodePool['spec']['disruption']): NodePool => {
  const pool = makePool();
  return { ...pool, spec: { ...pool.spec, ...(disruption && { disruption }) } };
};
const quiet = (status?: 'True' | 'False' | 'Unknown') => {
  const { node, claim } = makeNode('a', { type: 'm5.4xlarge', cpu: 15_900, memory: 60_000 });
  const conditions = status ? [{ type: 'Consolidatable', status }] : [];
  return { node, claim: { ...claim, status: { ...claim.status, conditions } } };
};
const asked = (
  disruption: NodePool['spec']['disruption'],
  status?: 'True' | 'False',
  pods = [makePod('p', { node: 'a', cpu: 100 })],
  aggressive = {},
) =>
  rebalanceOf(
    makeSnapshot([quiet(status)], pods, { nodePools: [held(disruption)] }),
    { aggressive },
    machines,
  );

t.test(
  'case 73: the condition Consolidatable=False keeps a node, whatever consolidateAfter is',
  async (t) => {
    for (const consolidateAfter of ['0s', '30s']) {
      const result = asked({ consolidateAfter }, 'False');
      t.equal(result.plan, null, consolidateAfter);
      t.match(result.skippedNodes[0]?.reasons, [/^Karpenter does not call it consolidatable: /]);
      t.ok(asked({ consolidateAfter }, 'False', undefined, { ignoreConsolidatable: true }).plan);
      t.ok(asked({ consolidateAfter }, 'True').plan);
    }
    t.equal(asked(undefined, 'False').plan, null);
    t.equal(asked({ consolidateAfter: '30s' }).plan, null, 'within its window');
    t.ok(asked({ consolidateAfter: '0s' }).plan);
    t.ok(asked({ consolidateAfter: 'Never' }, 'False').plan, 'a condition that nobody keeps');
  },
);

t.test('case 15, 70: a plan says that it goes past WhenEmpty or Never', async (t) => {
  const told = (disruption: NodePool['spec']['disruption'], pods?: Pod[]) =>
    asked(disruption, 'True', pods).goesPast ?? [];
  t.match(told({ consolidationPolicy: 'WhenEmpty' }), [
    /^The plan goes past consolidationPolicy WhenEmpty of NodePool default, .* replaces 1 node: /,
  ]);
  t.match(told({ consolidateAfter: 'Never' }), [
    /^The plan goes past consolidateAfter Never of NodePool default/,
  ]);
  t.same(told({ consolidationPolicy: 'WhenEmptyOrUnderutilized' }), []);
  t.same(told({ consolidationPolicy: 'WhenEmpty' }, []), [], 'an empty node may go');
  t.equal(told({ consolidateAfter: 'Never' }, []).length, 1, 'here it may not');
});
