import t from 'tap';
import type { Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import { makeNode, makePod, makePool } from '../testing/builders.ts';
import { disruptionBlockers, isInScope, type StateNode } from './candidate.ts';
import type { AggressiveMode } from './evictionblocker.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const TRUE = 'true';

type Metadata = Partial<Node['metadata']>;

const podWith = (metadata: Metadata, owner?: string | null): Pod => {
  const pod = makePod('p', { node: 'n', ...(owner !== undefined && { owner }) });
  return { ...pod, metadata: { ...pod.metadata, ...metadata } };
};

const deleted = { deletionTimestamp: '2026-06-01T11:59:00Z' };
const base = makeNode('n');

const nodeWith = (change: { metadata?: Metadata; spec?: Node['spec']; status?: Node['status'] }): Node => ({
  ...base.node,
  ...(change.spec && { spec: change.spec }),
  ...(change.status && { status: change.status }),
  metadata: {
    ...base.node.metadata,
    ...change.metadata,
    labels: { ...base.node.metadata.labels, ...change.metadata?.labels },
  },
});
const claimWith = (metadata: Metadata, status: NodeClaim['status'] = {}): NodeClaim => ({
  ...base.claim,
  metadata: { ...base.claim.metadata, ...metadata },
  status,
});
const poolWith = (spec: Partial<NodePool['spec']>, metadata: Metadata = {}): NodePool => {
  const pool = makePool('default', { requirements: [] });
  return { ...pool, metadata: { ...pool.metadata, ...metadata }, spec: { ...pool.spec, ...spec } };
};
const quietFor = (consolidateAfter: string) => poolWith({ disruption: { consolidateAfter } });
const consolidatable = (status: 'True' | 'False') =>
  claimWith({}, { conditions: [{ type: 'Consolidatable', status }] });
const arm = poolWith({
  template: {
    spec: {
      ...makePool().spec.template.spec,
      requirements: [{ key: 'kubernetes.io/arch', operator: 'In', values: ['arm64'] }],
    },
  },
});

interface NodeRow {
  readonly says: string;
  readonly node?: Partial<StateNode>;
  readonly allowed?: number;
  readonly minAgeSeconds?: number;
  readonly expected?: RegExp;
  readonly ignoredBy?: keyof AggressiveMode;
}

const NODES: readonly NodeRow[] = [
  { says: 'a ready node of a dynamic NodePool may be replaced' },
  {
    says: 'a node without a NodeClaim may not',
    node: { claim: undefined },
    expected: /not managed by Karpenter/,
  },
  { says: 'a node without a NodePool may not', node: { pool: undefined }, expected: /NodePool default/ },
  {
    says: 'a node of a static NodePool may not',
    node: { pool: poolWith({ replicas: 3 }) },
    expected: /static/,
  },
  {
    says: 'a node of a NodePool being deleted may not',
    node: { pool: poolWith({}, deleted) },
    expected: /static/,
  },
  {
    says: 'a node may not when the disruption budgets allow none',
    allowed: 0,
    expected: /disruption budgets of NodePool default/,
    ignoredBy: 'ignoreZeroNodePoolDisruptionBudgets',
  },
  { says: 'a node without a price may not', node: { price: undefined }, expected: /no price/ },
  {
    says: 'a node being deleted may not',
    node: { node: nodeWith({ metadata: deleted }) },
    expected: /deleted/,
  },
  {
    says: 'a node whose NodeClaim is being deleted may not',
    node: { claim: claimWith(deleted) },
    expected: /deleted/,
  },
  {
    says: 'a node that is not initialized may not',
    node: { node: nodeWith({ metadata: { labels: { 'karpenter.sh/initialized': 'false' } } }) },
    expected: /initialized/,
  },
  {
    says: 'a node that is not ready may not',
    node: { node: nodeWith({ status: {} }) },
    expected: /not ready/,
  },
  {
    says: 'a node that Karpenter disrupts may not',
    node: { node: nodeWith({ spec: { taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' }] } }) },
    expected: /disrupting/,
  },
  {
    says: 'a node with removal-disabled may not',
    node: { node: nodeWith({ metadata: { annotations: { 'autoscaling.cast.ai/removal-disabled': TRUE } } }) },
    expected: /removal-disabled/,
    ignoredBy: 'ignoreProblemRemovalDisabledNodes',
  },
  {
    says: 'a node whose NodeClaim has do-not-disrupt may not',
    node: { claim: claimWith({ annotations: { 'karpenter.sh/do-not-disrupt': TRUE } }) },
    expected: /do-not-disrupt/,
    ignoredBy: 'ignoreProblemRemovalDisabledNodes',
  },
  {
    says: 'a node may not within consolidateAfter',
    node: { pool: quietFor('5m'), claim: consolidatable('False') },
    expected: /consolidateAfter 5m/,
    ignoredBy: 'ignoreConsolidatable',
  },
  { says: 'a consolidatable node may', node: { pool: quietFor('5m'), claim: consolidatable('True') } },
  { says: 'a node may when its NodePool never consolidates', node: { pool: quietFor('Never') } },
  {
    says: 'a drifted node may not',
    node: { pool: arm },
    expected: /requirement on kubernetes.io\/arch/,
    ignoredBy: 'ignoreInstanceCriteria',
  },
  { says: 'a node that is too young may not', minAgeSeconds: 86_400 * 365, expected: /younger than/ },
  { says: 'a node that is old enough may', minAgeSeconds: 3600 },
  {
    says: 'a node with a pod that may not be evicted may not',
    node: { pods: [podWith({}, null)] },
    expected: /controller/,
  },
  { says: 'a pod of a DaemonSet blocks nothing', node: { pods: [podWith({}, 'DaemonSet')] } },
  {
    says: 'a pod that is being deleted blocks nothing',
    node: { pods: [podWith({ ...deleted, ownerReferences: [] })] },
  },
];

for (const { says, node, allowed = 1, minAgeSeconds, expected, ignoredBy } of NODES) {
  t.test(says, async (t) => {
    const state: StateNode = { ...base, pool: poolWith({}), pods: [], price: 0.1, ...node };
    const blockersIn = (mode: AggressiveMode): readonly string[] =>
      disruptionBlockers(state, {
        now: NOW,
        constraints: minAgeSeconds === undefined ? {} : { minAgeSeconds },
        mode,
        budgets: [],
        hasLocalVolume: () => false,
        willSurge: () => false,
        allowedDisruptions: () => allowed,
      }).map(({ message }) => message);
    if (expected) t.match(blockersIn({}), [expected]);
    t.equal(blockersIn({}).length, expected ? 1 : 0);
    if (ignoredBy) t.strictSame(blockersIn({ [ignoredBy]: true }), [], `${ignoredBy} ignores it`);
  });
}

t.test('a scope names nodes or selects them, and takes in all when left out', async (t) => {
  const selecting = (value: string) => ({
    nodeSelector: {
      nodeSelectorTerms: [
        { matchExpressions: [{ key: 'karpenter.sh/nodepool', operator: 'In' as const, values: [value] }] },
      ],
    },
  });
  t.equal(isInScope(base.node, undefined), true);
  t.equal(isInScope(base.node, { nodeNames: ['n'] }), true);
  t.equal(isInScope(base.node, { nodeNames: ['m'] }), false);
  t.equal(isInScope(base.node, selecting('default')), true);
  t.equal(isInScope(base.node, selecting('other')), false);
});
