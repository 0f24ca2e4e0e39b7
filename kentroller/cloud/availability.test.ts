import t from 'tap';
import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import type { Node } from '../../api/objects.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { withoutUnavailable } from './availability.ts';
import { Offerings } from './offerings.ts';

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
    const { instanceTypes } = withoutUnavailable(CATALOGUE, [unavailable(spec)], { nodes: [], now: NOW });
    const closed = instanceTypes.flatMap((type) =>
      type.offerings.filter((o) => !o.available).map((o) => `${type.name} ${o.zone} ${o.capacityType}`),
    );
    t.same(closed, expected);
  });
}

t.test(
  'an UnavailableOffering for one reservation leaves the others of its type and zone open',
  async (t) => {
    const reserved = (id: string) => ({
      zone: 'a',
      capacityType: 'reserved' as const,
      price: 0,
      available: true,
      reservation: { id, type: 'default' as const, interruptible: false, left: 1 },
    });
    const catalogue: Catalogue = {
      instanceTypes: CATALOGUE.instanceTypes.map((type) => ({
        ...type,
        offerings: [...type.offerings, reserved('cr-1'), reserved('cr-2')],
      })),
    };
    const closed = (spec: Partial<UnavailableOffering['spec']>): readonly string[] => {
      const records = [unavailable({ zone: 'a', capacityType: 'reserved', ...spec })];
      return withoutUnavailable(catalogue, records, { nodes: [], now: NOW }).instanceTypes.flatMap((type) =>
        type.offerings.flatMap((o) => (o.available ? [] : [`${type.name} ${o.reservation?.id}`])),
      );
    };
    t.same(closed({ capacityReservationId: 'cr-1' }), ['m5.large cr-1']);
    t.same(closed({}), ['m5.large cr-1', 'm5.large cr-2'], 'one of an earlier version names none');
  },
);

t.test('the zone of an id is known from the labels of nodes, where the catalogue has no ids', async (t) => {
  const withoutIds: Catalogue = {
    instanceTypes: CATALOGUE.instanceTypes.map((type) => ({
      ...type,
      offerings: type.offerings.map(({ zoneId: _, ...offering }) => offering),
    })),
  };
  const node: Node = {
    metadata: {
      name: 'n',
      labels: { 'topology.kubernetes.io/zone': 'b', 'topology.k8s.aws/zone-id': 'id-b' },
    },
  };
  const closed = (zoneId: string, nodes: readonly Node[]): readonly string[] =>
    withoutUnavailable(withoutIds, [unavailable({ zoneId })], { nodes, now: NOW }).instanceTypes.flatMap(
      (type) => type.offerings.flatMap((o) => (o.available ? [] : [`${type.name} ${o.zone}`])),
    );
  t.same(closed('id-b', [node]), ['m5.large b']);
  t.same(closed('id-a', [node]), [], 'a zone that is not known hides none');
  t.same(closed('id-b', []), []);
});

t.test('commitments stay in the catalogue', async (t) => {
  const commitments = [{ unit: 'hourly' as const, amount: 1 }];
  const left = withoutUnavailable({ ...CATALOGUE, commitments }, [unavailable({})], { nodes: [], now: NOW });
  t.same(left.commitments, commitments);
});

t.test('a price is that of the zone', async (t) => {
  const offerings = new Offerings(CATALOGUE);
  t.equal(offerings.price('m5.large', 'a', 'spot', undefined), 0.3);
  t.equal(offerings.price('m5.large', '', 'spot', undefined), undefined);
  t.equal(offerings.price('m5.large', 'c', 'spot', undefined), undefined);
  t.equal(offerings.price('m7.large', 'a', 'spot', undefined), undefined);
});
