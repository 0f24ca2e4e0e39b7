import t from 'tap';
import type { Node, Taint } from '../../api/objects.ts';
import { verifyPlan } from '../plan/verify.ts';
import { foreignNode, makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { deletedBy, machines, rebalanceOf } from '../testing/smallworld.ts';

/** Kind 13: nodes on which kube-scheduler would put a pod, and where no plan moves one. */

const SMALL = { cpu: 4000, type: 'm5.xlarge' } as const;
const runs = makePod('runs', {
  node: 'n',
  cpu: 3000,
  spec: { tolerations: [{ operator: 'Exists' }] },
});
// A NodePool that asks for no architecture.
const pool = makePool();
const template = pool.spec.template;
const requirements = template.spec.requirements.filter(({ key }) => key !== 'kubernetes.io/arch');
const anyArch = {
  ...pool,
  spec: { ...pool.spec, template: { ...template, spec: { ...template.spec, requirements } } },
};
const worldOf = (managed: Node, own = makeNode('n', SMALL)) =>
  makeSnapshot([own], [runs], { nodes: [own.node, managed], nodePools: [anyArch] });
const labeled = (labels: Readonly<Record<string, string>>): Node =>
  foreignNode('managed', { ...SMALL, labels });
const tainted = (key: string, effect: Taint['effect'], value = ''): Node =>
  foreignNode('managed', { ...SMALL, taints: [{ key, effect, value }] });

const plain = foreignNode('managed', SMALL);
const ofOldKarpenter: Node = {
  ...plain,
  metadata: {
    ...plain.metadata,
    labels: { ...plain.metadata.labels, 'karpenter.sh/provisioner-name': 'default' },
  },
};
/** The node with os and architecture in the labels of older kubelets alone. */
const older = (node: Node, o: { readonly os?: string; readonly arch?: string } = {}): Node => {
  const { 'kubernetes.io/os': os, 'kubernetes.io/arch': arch, ...labels } = node.metadata.labels ?? {};
  const beta = { 'beta.kubernetes.io/os': o.os ?? os ?? '', 'beta.kubernetes.io/arch': o.arch ?? arch ?? '' };
  return { ...node, metadata: { ...node.metadata, labels: { ...labels, ...beta } } };
};
const REFUSED: readonly (readonly [string, Node])[] = [
  ['of Fargate', labeled({ 'eks.amazonaws.com/compute-type': 'fargate' })],
  ['tainted by Fargate', tainted('eks.amazonaws.com/compute-type', 'NoSchedule', 'fargate')],
  ['a virtual kubelet', labeled({ type: 'virtual-kubelet' })],
  ['tainted as a virtual kubelet', tainted('virtual-kubelet.io/provider', 'NoSchedule', 'azure')],
  ['of the control plane', labeled({ 'node-role.kubernetes.io/control-plane': '' })],
  ['tainted as of the control plane', tainted('node-role.kubernetes.io/control-plane', 'NoSchedule')],
  ['about to go', tainted('ToBeDeletedByClusterAutoscaler', 'NoSchedule', '1700000000')],
  ['a candidate to go', tainted('DeletionCandidateOfClusterAutoscaler', 'PreferNoSchedule', '1700000000')],
  ['of another system', labeled({ 'kubernetes.io/os': 'windows' })],
  ['of another architecture', labeled({ 'kubernetes.io/arch': 'arm64' })],
  ['of another system by an older label', older(labeled({}), { os: 'windows' })],
  ['of another architecture by an older label', older(labeled({}), { arch: 'arm64' })],
  ['of an old Karpenter', ofOldKarpenter],
  ['closed by its users', labeled({ 'autoscaling.cast.ai/moves-here-disabled': 'true' })],
];

for (const [what, managed] of REFUSED) {
  t.test(`kind 13: no pod is moved to a node that is ${what}`, async (t) => {
    t.same(deletedBy(rebalanceOf(worldOf(managed))), []);
  });
  t.test(`kind 13: the check refuses a move to a node that is ${what}`, async (t) => {
    const { plan } = rebalanceOf(worldOf(foreignNode('managed', SMALL)));
    if (!plan) throw new Error('no plan');
    t.same(
      verifyPlan(worldOf(managed), machines, plan.spec).map(({ rule }) => rule),
      ['DestinationNotReady'],
    );
  });
}

t.test(
  'kind 13: an arm64 node takes pods of arm64 nodes, and beside it others go where theirs run',
  async (t) => {
    const arm = { 'kubernetes.io/arch': 'arm64' };
    const managed = labeled(arm);
    t.same(deletedBy(rebalanceOf(worldOf(managed, makeNode('n', { ...SMALL, labels: arm })))), ['claim-n']);
    const own = makeNode('n', SMALL);
    const other = foreignNode('other', SMALL);
    const two = makeSnapshot([own], [runs], { nodes: [own.node, managed, other] });
    t.match(rebalanceOf(two).plan?.spec.podsToMigrate, [{ dstNodeName: 'other' }]);
  },
);

t.test('kind 13: where a node of Karpenter is of another architecture, its NodePool says so', async (t) => {
  const arm = makeNode('m', { ...SMALL, labels: { 'kubernetes.io/arch': 'arm64' } });
  const stays = makePod('stays', { node: 'm', cpu: 500 });
  const world = makeSnapshot([makeNode('n', SMALL), arm], [runs, stays]);
  t.equal(rebalanceOf(world).plan?.spec.nodeClaimsToDelete?.length, 1);
});

t.test('kind 13: with the setting off, no pod is moved to a node of others', async (t) => {
  const world = worldOf(foreignNode('managed', SMALL));
  t.same(deletedBy(rebalanceOf(world, { movesToOthersNodes: false })), []);
  t.same(deletedBy(rebalanceOf(world, { movesToOthersNodes: true })), ['claim-n']);
});

t.test('kind 13: os and architecture mean the same in the labels of older kubelets', async (t) => {
  const own = makeNode('n', SMALL);
  const old = { ...own, node: older(own.node) };
  for (const [from, to] of [
    [own, older(plain)],
    [old, plain],
    [old, older(plain)],
  ] as const) {
    const cluster = worldOf(to, from);
    const { plan } = rebalanceOf(cluster);
    t.same(plan?.spec.nodeClaimsToDelete, [{ nodeClaimName: 'claim-n' }]);
    t.same(plan ? verifyPlan(cluster, machines, plan.spec) : undefined, []);
  }
  const arm = older(labeled({}), { arch: 'arm64' });
  const beside = makeSnapshot([own], [runs], { nodes: [own.node, arm, older(plain)], nodePools: [anyArch] });
  const closed = { ...older(plain), spec: { unschedulable: true } };
  t.same(deletedBy(rebalanceOf(beside)), ['claim-n']);
  const none = makeSnapshot([own], [runs], { nodes: [own.node, arm, closed], nodePools: [anyArch] });
  t.same(deletedBy(rebalanceOf(none)), []);
});
