import t from 'tap';
import type { MustGo } from '../../api/kinds/mustgo.ts';
import type { NodePool } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { deletedBy, machinesOf, moveOf, rebalanceOf, typesOf } from '../testing/smallworld.ts';

/** Nodes that must go: plans replace them though that saves nothing, at a price that is bounded. */

const EXPIRY: MustGo = { reason: 'Expiry' };
const node = (name: string) => makeNode(name, { type: 'm5.large', cpu: 1900, memory: 7000 });
const large = (name: string, on: string) => makePod(name, { node: on, cpu: 1500, memory: 1024 });
const small = (name: string, on: string) => makePod(name, { node: on, cpu: 100, memory: 64 });

t.test('a node that must go is replaced by one of the same price', async (t) => {
  const snapshot = makeSnapshot([node('a')], [large('p', 'a')]);
  t.equal(rebalanceOf(snapshot).plan, null, 'for savings alone it stays');
  const result = rebalanceOf(snapshot, { mustGo: { a: EXPIRY } });
  t.same(result.plan?.spec.nodeClaimsToDelete, [{ nodeClaimName: 'claim-a', mustGo: EXPIRY }]);
  t.equal(typesOf(result).length, 1);
  t.match(moveOf(result, 'p'), /^plan-1$/);
});

t.test('its pods go to nodes that are there, where they have room', async (t) => {
  const snapshot = makeSnapshot([node('a'), node('b')], [large('p', 'a'), small('q', 'b')]);
  const result = rebalanceOf(snapshot, { mustGo: { a: EXPIRY }, scope: { nodeNames: ['a'] } });
  t.same(deletedBy(result), ['claim-a']);
  t.same(result.plan?.spec.nodeClaimsToAdd, []);
  t.equal(moveOf(result, 'p'), 'claim-b');
});

t.test('no pod goes to a node that is closed, nor to another one that must go', async (t) => {
  const snapshot = makeSnapshot([node('a'), node('b')], [large('p', 'a'), small('q', 'b')]);
  const scope = { nodeNames: ['a'] };
  const to = (more: object): string | undefined =>
    moveOf(rebalanceOf(snapshot, { mustGo: { a: EXPIRY }, scope, ...more }), 'p');
  t.equal(to({}), 'claim-b');
  t.equal(to({ closedNodes: ['b'] }), 'plan-1');
  t.equal(to({ mustGo: { a: EXPIRY, b: EXPIRY } }), 'plan-1');
});

// The machine of the node costs 0.1 and is not sold any more; the next larger one is dearer by 15 or by 50 percent.
const dearer = (percent: number) => {
  const catalogue = machinesOf(
    ['m5.large', 2, '8Gi', 0.1],
    ['m5.xlarge', 4, '16Gi', 0.1 * (1 + percent / 100)],
  );
  return {
    instanceTypes: catalogue.instanceTypes.map((type) =>
      type.name === 'm5.large'
        ? { ...type, offerings: type.offerings.map((each) => ({ ...each, available: false })) }
        : type,
    ),
  };
};

t.test('what takes its place may cost a fifth more by default, and no more than it is told', async (t) => {
  const snapshot = makeSnapshot([node('a')], [large('p', 'a')]);
  const removed = (percent: number, mustGo: MustGo) =>
    deletedBy(rebalanceOf(snapshot, { mustGo: { a: mustGo } }, dearer(percent)));
  t.same(removed(15, EXPIRY), ['claim-a']);
  t.same(removed(50, EXPIRY), []);
  t.same(removed(50, { ...EXPIRY, maxPricePercent: 200 }), ['claim-a']);
  t.same(removed(15, { ...EXPIRY, maxPricePercent: 100 }), []);
  const { reason } = rebalanceOf(snapshot, { mustGo: { a: EXPIRY } }, dearer(50));
  t.match(reason, /Node a must go, and no place for its pods.*120 %/);
});

t.test('one node of a large cluster goes, however little it weighs among the others', async (t) => {
  const names = Array.from({ length: 60 }, (_, n) => `n${n}`);
  const snapshot = makeSnapshot(
    names.map(node),
    names.flatMap((name) => [large(`p-${name}`, name)]),
  );
  const catalogue = machinesOf(['m5.large', 2, '8Gi', 0.096]);
  const result = rebalanceOf(snapshot, { mustGo: { n37: EXPIRY } }, catalogue);
  t.same(deletedBy(result), ['claim-n37']);
  t.equal(result.plan?.spec.podsToMigrate?.length, 1, 'and no other pod moves for it');
});

t.test('a prohibitive weight of moves keeps no node that must go', async (t) => {
  const snapshot = makeSnapshot([node('a')], [large('p', 'a')]);
  t.same(deletedBy(rebalanceOf(snapshot, { mustGo: { a: EXPIRY }, moveWeight: 1000 })), ['claim-a']);
});

t.test('of two that must go, the one that has a place goes without the other', async (t) => {
  // No machine is sold, and node c has room for the pods of one.
  const catalogue = machinesOf(['m5.large', 2, '8Gi', 0.1]);
  const none = {
    instanceTypes: catalogue.instanceTypes.map((type) => ({
      ...type,
      offerings: type.offerings.map((each) => ({ ...each, available: false })),
    })),
  };
  const snapshot = makeSnapshot(
    [node('a'), node('b'), node('c')],
    [large('p', 'a'), large('q', 'b'), small('r', 'c')],
  );
  const result = rebalanceOf(
    snapshot,
    { mustGo: { a: EXPIRY, b: EXPIRY }, scope: { nodeNames: ['a', 'b'] } },
    none,
  );
  t.equal(deletedBy(result).length, 1);
  const [gone] = deletedBy(result);
  const left = gone === 'claim-a' ? 'b' : 'a';
  t.match(result.skippedNodes, [{ name: left, reasons: [/no place.*120 %/] }]);
});

const poolWith = (disruption: NodePool['spec']['disruption']): NodePool => {
  const pool = makePool();
  return { ...pool, spec: { ...pool.spec, ...(disruption && { disruption }) } };
};

t.test('what only holds consolidation back does not keep it: a busy node, a node that drifted', async (t) => {
  const snapshot = makeSnapshot([node('a')], [large('p', 'a')]);
  for (const consolidateAfter of ['5m', 'Never']) {
    const nodePools = [poolWith({ consolidateAfter })];
    const result = rebalanceOf({ ...snapshot, nodePools }, { mustGo: { a: EXPIRY } });
    t.same(deletedBy(result), ['claim-a'], consolidateAfter);
    t.equal(result.goesPast, undefined);
  }
  const drifted = makeNode('a', {
    type: 'm5.large',
    cpu: 1900,
    memory: 7000,
    labels: { 'kubernetes.io/os': 'linux', 'karpenter.k8s.aws/instance-category': 't' },
  });
  t.same(deletedBy(rebalanceOf(makeSnapshot([drifted], [large('p', 'a')]), { mustGo: { a: EXPIRY } })), [
    'claim-a',
  ]);
});

t.test('marks, budgets and PodDisruptionBudgets keep it all the same', async (t) => {
  const guard = {
    metadata: { name: 'guard', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'web' } } },
    status: { disruptionsAllowed: 0 },
  };
  const snapshot = makeSnapshot([node('a')], [large('p', 'a')]);
  const bare = makeSnapshot([node('a')], [makePod('p', { node: 'a', owner: null })]);
  const table = [
    [{ ...snapshot, podDisruptionBudgets: [guard] }, /guard/],
    [{ ...snapshot, nodePools: [poolWith({ budgets: [{ nodes: '0' }] })] }, /disruption budgets/],
    [bare, /has no controller/],
  ] as const;
  for (const [each, reason] of table) {
    const result = rebalanceOf(each, { mustGo: { a: EXPIRY } });
    t.equal(result.plan, null);
    t.match(result.skippedNodes, [{ name: 'a', reasons: [reason] }]);
  }
});

t.test('where no more nodes may go than some, those that must come first', async (t) => {
  const snapshot = makeSnapshot(
    [node('a'), node('b'), node('c')],
    [large('p', 'a'), small('q', 'b'), large('r', 'c')],
  );
  const result = rebalanceOf(snapshot, { mustGo: { c: EXPIRY }, constraints: { maxNodes: 1 } });
  t.same(deletedBy(result), ['claim-c']);
});

t.test(
  'the savings of such a plan are what they are, and its bound is that of a plan without the node',
  async (t) => {
    const snapshot = makeSnapshot([node('a')], [large('p', 'a')]);
    const { plan } = rebalanceOf(snapshot, { mustGo: { a: EXPIRY } }, dearer(15));
    t.equal(plan?.savings.projectedSavingsPercent, '-15.0');
    t.ok(Number(plan?.savings.gapPercent) < 1, `gap ${plan?.savings.gapPercent}`);
  },
);
