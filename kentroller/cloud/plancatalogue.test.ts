import { Registry } from 'prom-client';
import t from 'tap';
import { KARPENTER_CAPACITY_TYPE, ZONE, ZONE_ID } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { NODES, UNAVAILABLE_OFFERINGS } from '../../api/resources.ts';
import type { ZonalShifts } from '../../cloud/aws/zonalshift/managedresource.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../../planner/testing/builders.ts';
import { machines, provisionFor } from '../../planner/testing/smallworld.ts';
import { policiesNow } from '../policies/settings.ts';
import { scarceSpot } from '../spotprediction/placement/scarce.ts';
import { PlacementScores } from '../spotprediction/placement/scores.ts';
import { PREDICTION } from '../testing/spotworld.ts';
import { planCatalogue } from './plancatalogue.ts';
import { registerShifts } from './shiftmetrics.ts';

/** Zonal shifts in what every plan is made from, live. */

const until = Date.parse('2026-12-01T10:00:00Z');
const nodes = new FakeCache<Node>(NODES);
nodes.put(makeNode('a', { labels: { [ZONE_ID]: 'usw2-az1' } }).node);
const caches = { nodes, unavailable: new FakeCache(UNAVAILABLE_OFFERINGS) };

const plansWith = (shifts: () => ZonalShifts) =>
  planCatalogue({
    cloud: { catalogue: async () => machines, zonalShifts: shifts },
    caches,
    scarceSpot: () => new Set(),
    policies: () => ({ known: false, reason: 'PoliciesNotRead', message: '' }),
    now: () => 0,
  });

t.test('a shift takes its zone out of all that is bought while it lasts, and claims tell it', async (t) => {
  let zones: ZonalShifts['zones'] = [];
  const plans = plansWith(() => ({ zones }));
  t.equal(await plans.catalogue(), machines, 'the same where nothing is shifted');
  t.same(plans.notes(), []);
  zones = [{ zoneId: 'usw2-az1', until }, { zoneId: 'usw2-az7' }];
  const { instanceTypes, shiftedZones } = await plans.catalogue();
  t.same(shiftedZones, [{ zone: 'us-west-2a', zoneId: 'usw2-az1', until }]);
  t.ok(
    instanceTypes.every(({ offerings }) =>
      offerings.every(({ zone, available }) => available === (zone !== 'us-west-2a')),
    ),
  );
  t.same(plans.notes(), [
    'Zone us-west-2a (usw2-az1) is shifted away until 2026-12-01T10:00:00Z: nothing is bought in it, no pod is moved into it, and its nodes stay as they are.',
  ]);
  zones = [];
  t.equal(await plans.catalogue(), machines);
  t.same(plans.notes(), []);
});

t.test('metrics tell shifted zones, and whether they can be known', async (t) => {
  const registry = new Registry();
  let shifts: ZonalShifts = { zones: [{ zoneId: 'usw2-az1', until }] };
  registerShifts(registry, () => shifts);
  t.match(await registry.metrics(), /kentroller_zone_shifted_away\{zone_id="usw2-az1"\} 1/);
  t.match(await registry.metrics(), /kentroller_zonal_shifts_readable 1/);
  shifts = { zones: [], unread: 'nobody answers' };
  t.match(await registry.metrics(), /kentroller_zonal_shifts_readable 0/);
  t.notMatch(await registry.metrics(), /usw2-az1/);
  registerShifts(registry, undefined);
  t.notMatch(await registry.metrics(), /zonal_shifts_readable/, 'nobody asks');
});

t.test(
  'least interrupted buys spot in the zone with the better score, live, and a shadow does not',
  async (t) => {
    const scores = new PlacementScores();
    scores.asked('m5', ['m5.large', 'm5.xlarge', 'm5.4xlarge'], 0);
    const cheapFirst = {
      instanceTypes: machines.instanceTypes.map((type) => ({
        ...type,
        offerings: type.offerings.map((each) => ({
          ...each,
          capacityType: 'spot' as const,
          price: each.price * (each.zone === 'us-west-2a' ? 0.5 : 0.6),
        })),
      })),
    };
    const pool = makePool('default', {
      requirements: [{ key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['spot'] }],
    });
    const snapshot = makeSnapshot([], [makePod('p', { cpu: 1_500 })], { nodePools: [pool] });
    const settings = { ...PREDICTION, placementScoreFamilies: 5 };
    const bought = async (interruptionTolerance: string, change: object = {}) => {
      const plans = planCatalogue({
        cloud: { catalogue: async () => cheapFirst },
        caches,
        policies: () =>
          policiesNow({ object: undefined, absence: undefined, hasSynced: true }, {
            policies: { enabled: true, spotInstances: { enabled: true, interruptionTolerance } },
          } as Parameters<typeof policiesNow>[1]),
        scarceSpot: () => scarceSpot({ ...settings, ...change }, scores, 0),
        now: () => 0,
      });
      const { plan } = provisionFor(snapshot, await plans.catalogue());
      const [claim] = plan?.spec.nodeClaimsToAdd ?? [];
      return claim?.spec.requirements.find(({ key }) => key === ZONE)?.values;
    };
    t.same(await bought('leastInterrupted'), ['us-west-2a'], 'nobody has answered yet');
    scores.answered(
      'm5',
      [
        ['us-west-2a', 1],
        ['us-west-2b', 9],
      ],
      0,
    );
    t.same(await bought('leastInterrupted'), ['us-west-2b']);
    t.same(await bought('costEfficient'), ['us-west-2a']);
    t.same(await bought('leastInterrupted', { shadow: true }), ['us-west-2a']);
    scores.answered(
      'm5',
      [
        ['us-west-2a', 2],
        ['us-west-2b', 2],
        ['us-west-2c', 2],
      ],
      0,
    );
    t.same(
      await bought('leastInterrupted'),
      ['us-west-2a'],
      'scarce everywhere, no pod stays without a node',
    );
  },
);
