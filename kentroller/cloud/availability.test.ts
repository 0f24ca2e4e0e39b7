import t from 'tap';
import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { withoutUnavailable } from './availability.ts';
import { findPrice } from './offeringprice.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const AMOUNTS = { cpu: 0, memory: 0, pods: 0, ephemeralStorage: 0, other: {} };
const CATALOGUE: Catalogue = {
  instanceTypes: ['m5.large', 'c5.large'].map((name) => ({
    name,
    arch: 'amd64',
    os: ['linux'],
    labels: {},
    capacity: AMOUNTS,
    overhead: AMOUNTS,
    offerings: [
      { zone: 'a', zoneId: 'id-a', capacityType: 'spot', price: 0.3, available: true },
      { zone: 'b', zoneId: 'id-b', capacityType: 'spot', price: 0.2, available: true },
      { zone: 'a', zoneId: 'id-a', capacityType: 'on-demand', price: 0.5, available: true },
    ],
  })),
};

const unavailable = (spec: Partial<UnavailableOffering['spec']>): UnavailableOffering => ({
  metadata: { name: 'u' },
  spec: {
    instanceType: 'm5.large',
    capacityType: 'spot',
    reason: 'InsufficientCapacityError',
    ...spec,
  },
});

const CASES: readonly [string, Partial<UnavailableOffering['spec']>, readonly string[]][] = [
  ['one zone', { zone: 'a' }, ['m5.large a spot']],
  ['one zone by its id', { zoneId: 'id-b' }, ['m5.large b spot']],
  ['a zone whose id is another one', { zone: 'a', zoneId: 'id-b' }, []],
  ['every zone', {}, ['m5.large a spot', 'm5.large b spot']],
  ['another capacity type', { capacityType: 'on-demand' }, ['m5.large a on-demand']],
  ['one that has not expired', { zone: 'a', expiresAt: '2026-11-22T12:00:01Z' }, ['m5.large a spot']],
  ['one that has expired', { expiresAt: '2026-11-22T12:00:00Z' }, []],
];
for (const [name, spec, expected] of CASES) {
  t.test(`an UnavailableOffering for ${name}`, async (t) => {
    const { instanceTypes } = withoutUnavailable(CATALOGUE, [unavailable(spec)], NOW);
    const closed = instanceTypes.flatMap((type) =>
      type.offerings.filter((o) => !o.available).map((o) => `${type.name} ${o.zone} ${o.capacityType}`),
    );
    t.same(closed, expected);
  });
}

t.test('a price is that of the zone, or of the cheapest zone', async (t) => {
  t.equal(findPrice(CATALOGUE, 'm5.large', 'a', 'spot'), 0.3);
  t.equal(findPrice(CATALOGUE, 'm5.large', '', 'spot'), 0.2);
  t.equal(findPrice(CATALOGUE, 'm5.large', 'c', 'spot'), undefined);
  t.equal(findPrice(CATALOGUE, 'm7.large', '', 'spot'), undefined);
});
