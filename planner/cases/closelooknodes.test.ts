import t from 'tap';
import type { Pod, PodDisruptionBudget } from '../../api/objects.ts';
import { foreignNode, makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import {
  ANY_MACHINE,
  claimsOf,
  deletedBy,
  M5_LIST,
  priceList,
  rebalanced,
  TWO_ZONES,
} from '../testing/cases.ts';

/** A node with room and one pod, beside another: whether it goes, by one thing about it that is easily read wrong. */

const node = (name: string, more: Parameters<typeof makeNode>[1] = {}) =>
  makeNode(name, { type: 'm5.xlarge', cpu: 3900, ...more });
const withMeta = (pod: Pod, metadata: Partial<Pod['metadata']>): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, ...metadata },
});
const DND = { 'karpenter.sh/do-not-disrupt': 'true' };

const budget = (spec: object, status: object | undefined, namespace = 'default'): PodDisruptionBudget =>
  ({
    metadata: { name: 'pdb', namespace, generation: 1 },
    spec,
    ...(status && { status }),
  }) as PodDisruptionBudget;
const NONE = {
  disruptionsAllowed: 0,
  currentHealthy: 1,
  desiredHealthy: 1,
  expectedPods: 1,
  observedGeneration: 1,
};

const mirror = (annotations: Readonly<Record<string, string>>): Pod =>
  withMeta(makePod('kube-proxy-n1', { node: 'n1', cpu: 10, owner: 'Node', app: 'proxy' }), {
    annotations: { 'kubernetes.io/config.mirror': 'x', ...annotations },
  });

interface Scene {
  readonly pod?: (pod: Pod) => Pod;
  readonly others?: readonly Pod[];
  readonly budgets?: readonly PodDisruptionBudget[];
  readonly node?: (made: ReturnType<typeof node>) => ReturnType<typeof node>;
}

const annotated = (annotations: Readonly<Record<string, string>>) => (pod: Pod) =>
  withMeta(pod, { annotations });
const nodeWith =
  (change: (each: ReturnType<typeof node>['node']) => ReturnType<typeof node>['node']) =>
  (made: ReturnType<typeof node>) => ({ ...made, node: change(made.node) });

/** Whether node n1 goes. */
const SCENES: readonly (readonly [string, boolean, Scene])[] = [
  ['nothing is about it', true, {}],
  [
    'do-not-disrupt on its pod is "false"',
    true,
    { pod: annotated({ 'karpenter.sh/do-not-disrupt': 'false' }) },
  ],
  ['do-not-disrupt on its pod', false, { pod: annotated(DND) }],
  ['a mirror pod', true, { others: [mirror({})] }],
  ['a mirror pod with do-not-disrupt', false, { others: [mirror(DND)] }],
  [
    'a pod with do-not-disrupt that has ended',
    true,
    {
      others: [
        { ...annotated(DND)(makePod('job', { node: 'n1', owner: 'Job' })), status: { phase: 'Succeeded' } },
      ],
    },
  ],
  [
    'a pod with do-not-disrupt that is ending',
    true,
    {
      others: [
        withMeta(annotated(DND)(makePod('late', { node: 'n1' })), {
          deletionTimestamp: '2026-01-01T23:59:00Z',
        }),
      ],
    },
  ],
  ['a pod that nothing controls', false, { others: [makePod('bare', { node: 'n1', owner: null })] }],
  [
    'safe-to-evict=false on its pod',
    false,
    { pod: annotated({ 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' }) },
  ],
  ['a budget that allows nothing and selects all', false, { budgets: [budget({ selector: {} }, NONE)] }],
  ['a budget without a selector', true, { budgets: [budget({}, NONE)] }],
  ['a budget of another namespace', true, { budgets: [budget({ selector: {} }, NONE, 'other')] }],
  ['a budget of other pods', true, { budgets: [budget({ selector: { matchLabels: { app: 'x' } } }, NONE)] }],
  ['a budget without a status yet', false, { budgets: [budget({ selector: {} }, undefined)] }],
  [
    'a budget by an expression',
    false,
    { budgets: [budget({ selector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] } }, NONE)] },
  ],
  [
    'do-not-disrupt on the node',
    false,
    { node: nodeWith((n) => ({ ...n, metadata: { ...n.metadata, annotations: DND } })) },
  ],
  [
    'do-not-disrupt on the node for a time, which nodes can’t have',
    true,
    {
      node: nodeWith((n) => ({
        ...n,
        metadata: { ...n.metadata, annotations: { 'karpenter.sh/do-not-disrupt': '4h' } },
      })),
    },
  ],
  [
    'a node that is being deleted',
    false,
    {
      node: nodeWith((n) => ({
        ...n,
        metadata: { ...n.metadata, deletionTimestamp: '2026-01-01T23:59:00Z' },
      })),
    },
  ],
  [
    'a node that is not ready',
    false,
    {
      node: nodeWith(
        (n) =>
          ({ ...n, status: { ...n.status, conditions: [{ type: 'Ready', status: 'False' }] } }) as typeof n,
      ),
    },
  ],
  [
    'removal-disabled on the node',
    false,
    {
      node: nodeWith((n) => ({
        ...n,
        metadata: {
          ...n.metadata,
          labels: { ...n.metadata.labels, 'autoscaling.cast.ai/removal-disabled': 'true' },
        },
      })),
    },
  ],
  [
    'a local path of its pod that is no volume',
    true,
    { pod: (pod) => ({ ...pod, spec: { ...pod.spec, volumes: [{ name: 'v', emptyDir: {} }] } }) },
  ],
];
for (const [what, goes, scene] of SCENES) {
  t.test(`with ${what} a node ${goes ? 'goes' : 'stays'}`, async (t) => {
    const pod = makePod('p', { node: 'n1' });
    const made = node('n1');
    const answer = rebalanced(
      makeSnapshot(
        [scene.node ? scene.node(made) : made, node('n2')],
        [
          scene.pod ? scene.pod(pod) : pod,
          makePod('q', { node: 'n2', app: 'q', cpu: 3000, owner: null }),
          ...(scene.others ?? []),
        ],
        { ...ANY_MACHINE, ...(scene.budgets && { podDisruptionBudgets: scene.budgets }) },
      ),
      M5_LIST,
    );
    t.same(deletedBy(answer), goes ? ['claim-n1'] : [], JSON.stringify(answer.skippedNodes));
    if (!goes)
      t.ok(answer.skippedNodes.some(({ name, reasons }) => name === 'n1' && (reasons[0]?.length ?? 0) > 5));
  });
}

t.test('nodes in another order give a plan of the same cost', async (t) => {
  const nodes = Array.from({ length: 8 }, (_, n) => node(`n${n}`, { zone: TWO_ZONES[n % 2] ?? '' }));
  const pods = Array.from({ length: 24 }, (_, n) =>
    makePod(`p${n}`, { node: `n${(n * 3) % 8}`, app: `a${n % 5}`, cpu: 150 + 90 * (n % 4) }),
  );
  const cost = (answer: ReturnType<typeof rebalanced>) => answer.plan?.savings.projectedClusterMonthlyCost;
  const first = cost(rebalanced(makeSnapshot(nodes, pods, ANY_MACHINE), M5_LIST));
  t.ok(first);
  for (const [some, others] of [
    [nodes.toReversed(), pods],
    [nodes, pods.toReversed()],
    [nodes.toReversed(), pods.toReversed()],
  ] as const)
    t.equal(cost(rebalanced(makeSnapshot(some, others, ANY_MACHINE), M5_LIST)), first);
});

t.test('a node of others is never deleted, however empty it is, and its pods stay', async (t) => {
  const snapshot = makeSnapshot(
    [node('n1')],
    [makePod('p', { node: 'n1' }), makePod('q', { node: 'ng' })],
    ANY_MACHINE,
  );
  const answer = rebalanced(
    { ...snapshot, nodes: [...snapshot.nodes, foreignNode('ng', { cpu: 600 })] },
    M5_LIST,
  );
  t.notOk(answer.plan?.spec.podsToMigrate?.some(({ name }) => name === 'q'));
});

t.test('a cheaper machine is not bought where what it saves is nothing', async (t) => {
  const same = priceList({ name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2, zones: TWO_ZONES });
  const answer = rebalanced(
    makeSnapshot([node('n1')], [makePod('p', { node: 'n1', cpu: 3000 })], ANY_MACHINE),
    same,
  );
  t.equal(answer.plan, null);
  t.match(answer.reason, /No cheaper/);
});

t.test('a node whose price nobody knows is kept, and no saving is made up for it', async (t) => {
  const answer = rebalanced(
    makeSnapshot([node('n1', { type: 'x9.huge' })], [makePod('p', { node: 'n1', cpu: 100 })], ANY_MACHINE),
    M5_LIST,
  );
  t.same(deletedBy(answer), []);
});

t.test('a NodePool that is being deleted gets no machine, though its node could be replaced', async (t) => {
  const pool = makePool('default', { requirements: [] });
  const going = { ...pool, metadata: { ...pool.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  const answer = rebalanced(
    makeSnapshot([node('n1', { type: 'm5.2xlarge', cpu: 7900 })], [makePod('p', { node: 'n1' })], {
      nodePools: [going],
    }),
    M5_LIST,
  );
  t.same(claimsOf(answer), []);
});
