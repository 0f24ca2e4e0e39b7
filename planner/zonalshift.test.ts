import fc from 'fast-check';
import t from 'tap';
import type { MustGo } from '../api/kinds/mustgo.ts';
import { ZONE } from '../api/labels.ts';
import type { Requirement } from '../api/objects.ts';
import { destinationOf, requirementsOfEach } from '../api/plans.ts';
import type { ShiftedZone } from './model/catalogue.ts';
import { awayFromZones } from './model/offers/zonalshift.ts';
import { verifyPlan } from './plan/verify.ts';
import { provision } from './provision.ts';
import { type RebalanceRequest, rebalance } from './rebalance.ts';
import { makeNode, makePod, makePool, makeSnapshot } from './testing/builders.ts';
import { claim, is, move } from './testing/plancases.ts';
import { randomCluster, smallCatalogue } from './testing/randomcluster.ts';
import { deletedBy, machines, moveOf, NOW, provisionFor, rebalanceOf } from './testing/smallworld.ts';

/** ARC zonal shift takes a zone out: seed 003, "AWS". */

const SHIFT: ShiftedZone = {
  zone: 'us-west-2a',
  zoneId: 'usw2-az1',
  until: Date.parse('2026-01-02T10:00:00Z'),
};
const away = awayFromZones(machines, [SHIFT]);
const SAID = 'zone us-west-2a (usw2-az1) is shifted away until 2026-01-02T10:00:00Z';
const RUNS = process.env.SOAK ? 2000 : 60;

/** The zones that a plan may buy in: those of all attempts. */
const zonesOf = (requirements: readonly Requirement[]): readonly string[] =>
  requirements.flatMap(({ key, values = [] }) => (key === ZONE ? values : []));
const zonesBought = ({ plan }: Pick<ReturnType<typeof provisionFor>, 'plan'>): string[] => [
  ...new Set(
    (plan?.spec.nodeClaimsToAdd ?? []).flatMap((claim) => requirementsOfEach(claim).flatMap(zonesOf)),
  ),
];

t.test('nothing is bought in a zone that is shifted away, and plans say so', async (t) => {
  const snapshot = { ...makeSnapshot([], [makePod('p')]), nodePools: [makePool()] };
  t.same(zonesBought(provisionFor(snapshot)).sort(), ['us-west-2a', 'us-west-2b']);
  const bought = provisionFor(snapshot, away);
  t.same(zonesBought(bought), ['us-west-2b']);
  t.match(bought.warnings, [`Z${SAID.slice(1)}: nothing is bought in it`]);
});

t.test(
  'a pod that must be in the shifted zone stays without a node, and nothing is bought for it',
  async (t) => {
    const pod = makePod('p', { spec: { nodeSelector: { [ZONE]: 'us-west-2a' } } });
    const { plan, unplaced } = provisionFor({ ...makeSnapshot([], [pod]), nodePools: [makePool()] }, away);
    t.equal(plan, null);
    t.match(unplaced, [{ namespace: 'default', name: 'p' }]);
  },
);

t.test('no pod is moved to a node of the zone, by savings or from a queue', async (t) => {
  const nodes = [makeNode('a', { zone: 'us-west-2a' }), makeNode('b', { zone: 'us-west-2b' })];
  const snapshot = makeSnapshot(nodes, [makePod('p', { node: 'b' })]);
  t.equal(moveOf(rebalanceOf(snapshot, { scope: { nodeNames: ['b'] } }), 'p'), 'claim-a');
  t.same(deletedBy(rebalanceOf(snapshot, { scope: { nodeNames: ['b'] } }, away)), ['claim-b']);
  t.not(moveOf(rebalanceOf(snapshot, { scope: { nodeNames: ['b'] } }, away), 'p'), 'claim-a');

  const waiting = {
    ...makeSnapshot([nodes[0] as (typeof nodes)[0]], [makePod('w')]),
    nodePools: [makePool()],
  };
  t.equal(moveOf(provisionFor(waiting), 'w'), 'claim-a', 'a free node takes it otherwise');
  t.same(zonesBought(provisionFor(waiting, away)), ['us-west-2b']);
});

t.test('standing nodes of the zone are left alone, with the shift as their reason', async (t) => {
  const nodes = [
    makeNode('a', { type: 'm5.4xlarge' }),
    makeNode('b', { type: 'm5.4xlarge', zone: 'us-west-2b' }),
  ];
  const snapshot = {
    ...makeSnapshot(nodes, [makePod('p', { node: 'a' }), makePod('q', { node: 'b' })]),
    nodePools: [makePool()],
  };
  t.same(deletedBy(rebalanceOf(snapshot)), ['claim-a', 'claim-b']);
  const result = rebalanceOf(snapshot, {}, away);
  t.same(deletedBy(result), ['claim-b']);
  t.match(result.skippedNodes, [{ name: 'a', reasons: [`its ${SAID}`] }]);
});

t.test(
  'a node of the zone that expires is replaced in another zone; one that stands in for spot stays',
  async (t) => {
    const snapshot = {
      ...makeSnapshot([makeNode('a')], [makePod('p', { node: 'a', cpu: 3_500 })]),
      nodePools: [makePool()],
    };
    const leaving = (reason: MustGo['reason']) => rebalanceOf(snapshot, { mustGo: { a: { reason } } }, away);
    t.same(zonesBought(leaving('Expiry')), ['us-west-2b']);
    t.same(deletedBy(leaving('SpotPrediction')), ['claim-a']);
    t.match(leaving('SpotFallbackRestore').skippedNodes, [{ name: 'a', reasons: [`its ${SAID}`] }]);
  },
);

t.test('a plan that moves a pod into the zone is refused', async (t) => {
  const snapshot = makeSnapshot(
    [makeNode('a'), makeNode('b', { zone: 'us-west-2b' })],
    [makePod('p', { node: 'b' })],
  );
  const spec = {
    execute: false,
    nodeClaimsToDelete: [{ nodeClaimName: 'claim-b' }],
    podsToMigrate: [move('p', 'b', 'claim-a')],
  };
  t.same(verifyPlan(snapshot, machines, spec), []);
  t.match(verifyPlan(snapshot, away, spec), [
    {
      rule: 'ZonalShift',
      pod: 'default/p',
      node: 'a',
      message: `Pod default/p can't go to node a: its ${SAID}.`,
    },
  ]);
  const bought = { execute: false, nodeClaimsToAdd: [claim([is(ZONE, 'us-west-2a')])] };
  t.match(verifyPlan(snapshot, away, bought), [{ rule: 'NoOffering' }]);
});

t.test('a shift without a known end says so', async (t) => {
  const snapshot = { ...makeSnapshot([makeNode('a')], []), nodePools: [makePool()] };
  const { until: _, ...endless } = SHIFT;
  const { skippedNodes } = rebalance({
    snapshot,
    catalogue: awayFromZones(machines, [endless]),
    now: NOW,
    seed: 1,
    planName: 'plan',
  });
  t.match(skippedNodes, [
    { reasons: ['its zone us-west-2a (usw2-az1) is shifted away until further notice'] },
  ]);
});

t.test('of any cluster, no plan touches, fills or buys in the zone', async (t) => {
  let plans = 0;
  const catalogue = awayFromZones(smallCatalogue, [SHIFT]);
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 2, max: 7 }), fc.nat(30), (seed, nodes, pods) => {
      const snapshot = randomCluster(seed, nodes, pods, { spread: true, affinity: true, selectors: true });
      const request: RebalanceRequest = { snapshot, catalogue, now: NOW, seed, planName: 'plan', rounds: 20 };
      const shifted = new Set(
        snapshot.nodes.flatMap(({ metadata }) =>
          metadata.labels?.[ZONE] === SHIFT.zone ? [metadata.name] : [],
        ),
      );
      const claims = new Set(
        snapshot.nodeClaims.flatMap(({ metadata, status }) =>
          shifted.has(status?.nodeName ?? '') ? [metadata.name] : [],
        ),
      );
      for (const { plan } of [rebalance(request), provision(request)]) {
        if (!plan) continue;
        plans += 1;
        if (zonesBought({ plan }).includes(SHIFT.zone)) throw new Error('bought in the zone');
        for (const { nodeClaimName } of plan.spec.nodeClaimsToDelete ?? [])
          if (claims.has(nodeClaimName)) throw new Error(`${nodeClaimName} goes`);
        for (const each of plan.spec.podsToMigrate ?? []) {
          const to = JSON.stringify(destinationOf(each));
          if ([...claims, ...shifted].some((name) => to.includes(`"${name}"`))) throw new Error(`to ${to}`);
        }
        const [fault] = verifyPlan(snapshot, catalogue, plan.spec);
        if (fault) throw new Error(fault.message);
      }
    }),
    { seed: 65, numRuns: RUNS },
  );
  t.ok(plans > RUNS / 4, `${plans} plans`);
});
