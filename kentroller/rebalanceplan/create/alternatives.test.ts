import t from 'tap';
import type { CreationAttempt } from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOffering } from '../../../api/kinds/unavailableoffering.ts';
import { availabilityCheck } from '../../cloud/availability.ts';
import { ago, NOW, toAdd } from '../../testing/builders.ts';
import { alternativeOf, alternativesOf, offeringsOf, openAlternatives } from './alternatives.ts';

const attempt = (instanceType: string): CreationAttempt => ({
  instanceType,
  nodeClaimName: 'green',
  status: 'Failed',
  capacityType: 'on-demand',
  zone: 'us-west-2a',
});
const unavailable = (
  instanceType: string,
  o: Partial<UnavailableOffering['spec']> = {},
): UnavailableOffering => ({
  metadata: { name: instanceType },
  spec: {
    instanceType,
    zone: 'us-west-2a',
    capacityType: 'on-demand',
    reason: 'InsufficientCapacityError',
    expiresAt: ago(-60),
    ...o,
  },
});
const withoutZone = (type: string): UnavailableOffering => {
  const { zone: _, ...spec } = unavailable(type).spec;
  return { metadata: { name: type }, spec };
};

const withZoneId = (type: string, zoneId: string): UnavailableOffering => ({
  ...withoutZone(type),
  spec: { ...withoutZone(type).spec, zoneId },
});

const ZONE_IDS = new Map([
  ['us-west-2a', 'usw2-az2'],
  ['us-west-2b', 'usw2-az1'],
]);
const M5_C5 = toAdd('green');
const CASES: readonly (readonly [
  string,
  ReturnType<typeof toAdd>,
  readonly CreationAttempt[],
  readonly UnavailableOffering[],
  string | undefined,
])[] = [
  ['the first alternative comes first', M5_C5, [], [], 'm5.large'],
  ['a tried alternative is not taken again', M5_C5, [attempt('m5.large')], [], 'c5.large'],
  ['all tried: none is left', M5_C5, [attempt('m5.large'), attempt('c5.large')], [], undefined],
  ['an unavailable offering is skipped', M5_C5, [], [unavailable('m5.large')], 'c5.large'],
  [
    'an expired record does not count',
    M5_C5,
    [],
    [unavailable('m5.large', { expiresAt: ago(1) })],
    'm5.large',
  ],
  ['another zone does not count', M5_C5, [], [unavailable('m5.large', { zone: 'us-west-2b' })], 'm5.large'],
  ['a record without a zone counts for all', M5_C5, [], [withoutZone('m5.large')], 'c5.large'],
  [
    'a record of the id of another zone does not count',
    M5_C5,
    [],
    [withZoneId('m5.large', 'usw2-az1')],
    'm5.large',
  ],
  [
    'a record of the id of a zone that is not known does not count',
    M5_C5,
    [],
    [withZoneId('m5.large', 'usw2-az9')],
    'm5.large',
  ],
  ['a record of the id of the zone counts', M5_C5, [], [withZoneId('m5.large', 'usw2-az2')], 'c5.large'],
  [
    'another capacity type does not count',
    M5_C5,
    [],
    [unavailable('m5.large', { capacityType: 'spot' })],
    'm5.large',
  ],
  [
    'an alternative with one available offering is taken',
    toAdd('green', [['m5.large', 'm6.large'], ['c5.large']]),
    [],
    [unavailable('m5.large')],
    'm5.large',
  ],
  [
    'an attempt counts for one of two equal alternatives',
    toAdd('green', [['m5.large'], ['m5.large']]),
    [attempt('m5.large')],
    [],
    'm5.large',
  ],
];

for (const [name, planned, attempts, records, expected] of CASES) {
  t.test(name, async (t) => {
    const isAvailable = availabilityCheck(records, ZONE_IDS, NOW);
    t.equal(openAlternatives(planned, undefined, attempts, isAvailable)[0]?.instanceType, expected);
  });
}

t.test('a claim without alternatives is ordered by its own requirements', async (t) => {
  const { alternatives: _, ...rest } = toAdd('green');
  const own = { key: 'node.kubernetes.io/instance-type', operator: 'In' as const, values: ['r5.large'] };
  const planned = { ...rest, spec: { ...rest.spec, requirements: [own] } };
  t.match(alternativesOf(planned, undefined), [
    { instanceType: 'r5.large', capacityType: 'on-demand', zone: '' },
  ]);
  t.match(offeringsOf({ requirements: [own] }), [
    { instanceType: 'r5.large', zone: undefined, capacityType: 'on-demand' },
  ]);
});

t.test('an attempt that names its alternative is told by that, whatever it was launched as', async (t) => {
  const tried = { ...attempt('r5.large'), alternative: 0 };
  t.equal(alternativeOf(M5_C5, undefined, tried)?.instanceType, 'm5.large');
  t.equal(openAlternatives(M5_C5, undefined, [tried], () => true)[0]?.instanceType, 'c5.large');
});
