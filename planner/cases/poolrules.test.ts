import t from 'tap';
import type { DaemonSet, NodePool, PodSpec } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import {
  ANY_MACHINE,
  claimsOf,
  containersOf,
  deletedBy,
  everyValue,
  groupsOf,
  M5_LIST,
  priceList,
  provisioned,
  rebalanced,
  TWO_ZONES,
  unplacedOf,
} from '../testing/cases.ts';

/** What NodePools offer and allow, judged by the rules of Karpenter: kinds that the numbered cases leave out. */

const TYPE = 'node.kubernetes.io/instance-type';
const poolWith = (spec: object, template: object = {}): { nodePools: NodePool[] } => {
  const pool = makePool('default', { requirements: [], ...template });
  return { nodePools: [{ ...pool, spec: { ...pool.spec, ...spec } }] };
};

t.test('startup taints keep nobody off a new node, and its claim carries them', async (t) => {
  const startupTaints = [
    { key: 'node.cilium.io/agent-not-ready', value: 'true', effect: 'NoExecute' as const },
  ];
  const answer = provisioned(makeSnapshot([], [makePod('p')], poolWith({}, { startupTaints })), M5_LIST);
  t.same(answer.unplaced, []);
  t.match(claimsOf(answer)[0]?.spec.startupTaints, startupTaints);
});

t.test('a static NodePool offers nothing, and its nodes stay', async (t) => {
  const rest = poolWith({ replicas: 1 });
  const alone = provisioned(makeSnapshot([], [makePod('p')], rest), M5_LIST);
  t.same([unplacedOf(alone), claimsOf(alone).length], [['p'], 0]);
  t.same(
    deletedBy(
      rebalanced(makeSnapshot([makeNode('n', { type: 'm5.2xlarge', cpu: 7900 })], [], rest), M5_LIST),
    ),
    [],
  );
});

t.test('the limit on nodes of a NodePool is kept', async (t) => {
  const node = makeNode('n', { type: 'm5.large', cpu: 100 });
  const ask = (nodes: string) =>
    claimsOf(provisioned(makeSnapshot([node], [makePod('p')], poolWith({ limits: { nodes } })), M5_LIST))
      .length;
  t.equal(ask('1'), 0);
  t.equal(ask('2'), 1);
});

t.test('Windows pods get machines for Windows alone', async (t) => {
  const list = priceList(
    { name: 'm5.large', price: 0.1, zones: TWO_ZONES },
    { name: 'm5.large', price: 0.19, zones: TWO_ZONES, os: ['windows'] },
  );
  const answer = provisioned(
    makeSnapshot(
      [],
      [makePod('w', { spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } })],
      ANY_MACHINE,
    ),
    list,
  );
  t.same([answer.unplaced, everyValue(answer, 'kubernetes.io/os')], [[], ['windows']]);
});

t.test(
  'a pod that could preempt others gets a node, since kube-scheduler has not nominated it',
  async (t) => {
    const node = makeNode('n', { type: 'm5.large', cpu: 1900 });
    const low = makePod('low', { app: 'l', node: 'n', cpu: 1800 });
    const high = makePod('high', { app: 'h', cpu: 1000, spec: { priority: 1000 } as Partial<PodSpec> });
    t.equal(claimsOf(provisioned(makeSnapshot([node], [low, high], ANY_MACHINE), M5_LIST)).length, 1);
  },
);

t.test('a budget counts for its reasons and within its schedule', async (t) => {
  const node = makeNode('n', { type: 'm5.2xlarge', cpu: 7900 });
  const ask = (...budgets: readonly object[]) =>
    deletedBy(
      rebalanced(
        makeSnapshot([node], [makePod('p', { node: 'n', cpu: 100 })], poolWith({ disruption: { budgets } })),
        M5_LIST,
      ),
    ).length;
  t.equal(ask({ nodes: '1' }), 1);
  t.equal(ask({ nodes: '1' }, { nodes: '0', reasons: ['Underutilized'] }), 0);
  t.equal(ask({ nodes: '1' }, { nodes: '0', reasons: ['Drifted'] }), 1);
  t.equal(ask({ nodes: '1' }, { nodes: '0', schedule: '0 0 * * *', duration: '1h' }), 0, 'it is midnight');
  t.equal(ask({ nodes: '1' }, { nodes: '0', schedule: '0 1 * * *', duration: '1h' }), 1);
});

t.test('a DaemonSet that selects other nodes takes nothing of a new one', async (t) => {
  const daemonSets: DaemonSet[] = [
    {
      kind: 'DaemonSet',
      metadata: { name: 'gpu', namespace: 'default', uid: 'gpu' },
      spec: {
        template: {
          metadata: { labels: { app: 'gpu' } },
          spec: { nodeSelector: { 'nvidia.com/gpu.present': 'true' }, containers: containersOf('3') },
        },
      },
    },
  ];
  const answer = provisioned(
    makeSnapshot([], [makePod('p', { cpu: 1500 })], { ...ANY_MACHINE, daemonSets }),
    M5_LIST,
  );
  t.same(groupsOf(answer), [['p']]);
  t.ok(everyValue(answer, TYPE).includes('m5.large'));
});
