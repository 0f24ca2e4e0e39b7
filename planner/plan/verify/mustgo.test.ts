import fc from 'fast-check';
import t from 'tap';
import type { MustGo } from '../../../api/kinds/mustgo.ts';
import type { RebalancePlanSpec } from '../../../api/kinds/rebalanceplan.ts';
import { type RebalanceRequest, rebalance } from '../../rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../../testing/builders.ts';
import { CAPACITY, claim, is, move, TYPE, ZONE } from '../../testing/plancases.ts';
import { randomCluster, smallCatalogue } from '../../testing/randomcluster.ts';
import { verifyPlan } from '../verify.ts';

const EXPIRY: MustGo = { reason: 'Expiry' };
const snapshot = makeSnapshot([makeNode('a', { type: 'm5.large' })], [makePod('p', { node: 'a' })]);
const replacedBy = (type: string, mustGo?: MustGo): RebalancePlanSpec => ({
  execute: false,
  nodeClaimsToAdd: [claim([is(TYPE, type), is(ZONE, 'us-west-2a'), is(CAPACITY, 'on-demand')])],
  nodeClaimsToDelete: [{ nodeClaimName: 'claim-a', ...(mustGo && { mustGo }) }],
  podsToMigrate: [move('p', 'a', 'new')],
});
const rulesOf = (spec: RebalancePlanSpec, asked?: Readonly<Record<string, MustGo>>): string[] =>
  verifyPlan(snapshot, smallCatalogue, spec, asked).map(({ rule }) => rule);

t.test('a node that was asked for as one that must go is replaced by its like', async (t) => {
  t.same(rulesOf(replacedBy('m5.large', EXPIRY), { a: EXPIRY }), []);
});

t.test('no plan makes a node one that must go by itself, or with a higher limit', async (t) => {
  t.same(rulesOf(replacedBy('m5.large', EXPIRY)), ['MustGo']);
  t.same(rulesOf(replacedBy('m5.large', EXPIRY), { b: EXPIRY }), ['MustGo']);
  t.same(rulesOf(replacedBy('m5.large', { ...EXPIRY, maxPricePercent: 500 }), { a: EXPIRY }), ['MustGo']);
  t.same(rulesOf(replacedBy('m5.large', { reason: 'ZonalShift' }), { a: EXPIRY }), ['MustGo']);
});

t.test('what takes its place keeps within its limit', async (t) => {
  const twice = { ...EXPIRY, maxPricePercent: 201 };
  t.same(rulesOf(replacedBy('m5.xlarge', EXPIRY), { a: EXPIRY }), ['CostLimit']);
  t.same(rulesOf(replacedBy('m5.xlarge', twice), { a: twice }), []);
});

const RUNS = process.env.SOAK ? 2000 : 60;

t.test(
  'plans for nodes that must go pass, move nothing onto them, and cost no more than they may',
  async (t) => {
    let replaced = 0;
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.integer({ min: 2, max: 7 }),
        fc.nat(30),
        fc.nat(127),
        fc.integer({ min: 80, max: 300 }),
        (seed, nodes, pods, which, maxPricePercent) => {
          const cluster = randomCluster(seed, nodes, pods, {
            spread: true,
            affinity: true,
            selectors: true,
            daemons: true,
            volumes: true,
            limits: true,
          });
          const mustGo = Object.fromEntries(
            cluster.nodes
              .filter((_, n) => (which >> n) % 2 === 1)
              .map(({ metadata }) => [metadata.name, { ...EXPIRY, maxPricePercent }]),
          );
          const request: RebalanceRequest = {
            snapshot: cluster,
            catalogue: smallCatalogue,
            now: 0,
            seed,
            planName: 'p',
            rounds: 20,
            mustGo,
          };
          const { plan, skippedNodes, selectedNodes } = rebalance(request);
          const told = new Set(skippedNodes.map(({ name }) => name));
          const gone = new Set((plan?.spec.nodeClaimsToDelete ?? []).map((each) => each.nodeClaimName));
          for (const name of selectedNodes) {
            if (!(name in mustGo)) continue;
            if (gone.has(`claim-${name}`)) replaced += 1;
            else if (!told.has(name)) throw new Error(`${name} stays, and nobody is told`);
          }
          if (!plan) return;
          const faults = verifyPlan(cluster, smallCatalogue, plan.spec, mustGo);
          if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join('\n'));
          for (const to of plan.spec.podsToMigrate ?? []) {
            if ((to.dstNodeClaimName ?? '').replace('claim-', '') in mustGo)
              throw new Error(`a pod goes to ${to.dstNodeClaimName}`);
          }
          const after = (plan.savings.greenNodes ?? []).reduce(
            (sum, each) => sum + Number(each.priceHourly),
            0,
          );
          const most = (plan.savings.blueNodes ?? []).reduce(
            (sum, each) => sum + Number(each.priceHourly) * (mustGo[each.name] ? maxPricePercent / 100 : 1),
            0,
          );
          if (after > most + 1e-5) throw new Error(`costs ${after}, and ${most} are the limit`);
        },
      ),
      { numRuns: RUNS, seed: 3 },
    );
    t.ok(replaced > 20, `${replaced} nodes were replaced`);
  },
);
