import { Registry } from 'prom-client';
import t from 'tap';
import { ZONE_ID } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { NODES, UNAVAILABLE_OFFERINGS } from '../../api/resources.ts';
import type { ZonalShifts } from '../../cloud/aws/zonalshift/managedresource.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import { machines } from '../../planner/testing/smallworld.ts';
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
