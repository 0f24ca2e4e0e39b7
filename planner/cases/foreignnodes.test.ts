import t from 'tap';
import { destinationOf, foreignNodeOf } from '../../api/plans.ts';
import { verifyPlan } from '../plan/verify.ts';
import { foreignNode, makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import { deletedBy, machines, provisionFor, rebalanceOf, typesOf } from '../testing/smallworld.ts';

/** Kind 13: standing nodes that Karpenter does not own are room for moved pods, as kube-scheduler sees them. */

const SMALL = { cpu: 4000, type: 'm5.xlarge' } as const;
const runs = makePod('runs', { node: 'n', cpu: 3000 });
const worldOf = (foreign: Parameters<typeof foreignNode>[1] = SMALL, pods = [runs]) => {
  const own = makeNode('n', SMALL);
  return makeSnapshot([own], pods, { nodes: [own.node, foreignNode('managed', foreign)] });
};
const movesOf = (answer: ReturnType<typeof rebalanceOf>): readonly string[] =>
  (answer.plan?.spec.podsToMigrate ?? []).map(destinationOf);

t.test('kind 13: a moved pod has room on a node of a managed node group', async (t) => {
  const answer = rebalanceOf(worldOf());
  t.same(deletedBy(answer), ['claim-n']);
  t.same(typesOf(answer), [], 'nothing is bought');
  t.match(answer.plan?.spec.podsToMigrate, [{ name: 'runs', srcNode: 'n', dstNodeName: 'managed' }]);
  t.notOk('dstNodeClaimName' in (answer.plan?.spec.podsToMigrate?.[0] ?? {}));
  t.same(movesOf(answer).map(foreignNodeOf), ['managed']);
});

t.test('kind 13: it takes what kube-scheduler would put there, and no more', async (t) => {
  const taint = { key: 'team', value: 'a', effect: 'NoSchedule' } as const;
  t.same(deletedBy(rebalanceOf(worldOf({ ...SMALL, taints: [taint] }))), [], 'tainted');
  const tolerates = makePod('runs', { node: 'n', cpu: 3000, spec: { tolerations: [{ key: 'team' }] } });
  const tolerant = {
    ...tolerates,
    spec: { ...tolerates.spec, tolerations: [{ key: 'team', operator: 'Exists' as const }] },
  };
  t.same(deletedBy(rebalanceOf(worldOf({ ...SMALL, taints: [taint] }, [tolerant]))), ['claim-n']);
  const full = makePod('theirs', { node: 'managed', cpu: 1500 });
  t.same(deletedBy(rebalanceOf(worldOf(SMALL, [runs, full]))), [], 'full');
  const elsewhere = makePod('runs', {
    node: 'n',
    cpu: 3000,
    spec: { nodeSelector: { 'karpenter.sh/nodepool': 'default' } },
  });
  t.same(deletedBy(rebalanceOf(worldOf(SMALL, [elsewhere]))), [], 'a pod that asks for a NodePool');
});

t.test('kind 13: a node that is closed, is not ready, or was Karpenter’s takes no moved pod', async (t) => {
  const world = worldOf();
  const asking = (change: (node: ReturnType<typeof foreignNode>) => ReturnType<typeof foreignNode>) =>
    deletedBy(
      rebalanceOf({
        ...world,
        nodes: world.nodes.map((node) => (node.metadata.name === 'managed' ? change(node) : node)),
      }),
    );
  t.same(
    asking((node) => node),
    ['claim-n'],
  );
  t.same(
    asking((node) => ({ ...node, spec: { ...node.spec, unschedulable: true } })),
    [],
  );
  t.same(
    asking((node) => ({
      ...node,
      metadata: { ...node.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
    })),
    [],
  );
  t.same(
    asking((node) => ({
      ...node,
      status: { ...node.status, conditions: [{ type: 'Ready', status: 'False' }] },
    })),
    [],
  );
  const labels = { 'karpenter.sh/nodepool': 'gone' };
  t.same(
    asking((node) => ({
      ...node,
      metadata: { ...node.metadata, labels: { ...node.metadata.labels, ...labels } },
    })),
    [],
    'its NodeClaim is gone or not seen',
  );
  t.same(deletedBy(rebalanceOf(world, { closedNodes: ['managed'] })), []);
});

t.test('kind 13: pods that wait still come there by themselves', async (t) => {
  const { plan, unplaced } = provisionFor(
    makeSnapshot([], [makePod('waits', { cpu: 3000 })], { nodes: [foreignNode('managed', SMALL)] }),
  );
  t.same([plan, unplaced], [null, []]);
});

t.test(
  'kind 13: the check refuses a destination that is named twice, is not there, or has a NodeClaim',
  async (t) => {
    const world = worldOf();
    const { plan } = rebalanceOf(world);
    const [move] = plan?.spec.podsToMigrate ?? [];
    if (!plan || !move) throw new Error('no plan');
    const { dstNodeName: _, ...bare } = move;
    const faultsOf = (destination: object) =>
      verifyPlan(world, machines, { ...plan.spec, podsToMigrate: [{ ...bare, ...destination }] }).map(
        ({ rule }) => rule,
      );
    t.same(faultsOf({ dstNodeName: 'managed' }), []);
    t.same(faultsOf({ dstNodeName: 'nobody' }), ['UnknownDestination']);
    t.same(faultsOf({}), ['UnknownDestination']);
    t.same(faultsOf({ dstNodeName: 'managed', dstNodeClaimName: 'claim-n' }), ['UnknownDestination']);
    const two = makeSnapshot([makeNode('n', SMALL), makeNode('m', SMALL)], [runs]);
    const spec = { ...plan.spec, podsToMigrate: [{ ...bare, dstNodeName: 'm' }] };
    t.same(
      verifyPlan(two, machines, spec).map(({ rule }) => rule),
      ['UnknownDestination'],
      'its NodeClaim keeps it for one plan',
    );
  },
);
