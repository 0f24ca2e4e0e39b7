import t from 'tap';
import type { CreationAttempt } from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOffering } from '../../../api/kinds/unavailableoffering.ts';
import { ago, NOW, toAdd } from '../../testing/builders.ts';
import { alternativesOf, nextAlternative, offeringsOf } from './alternatives.ts';

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
    t.equal(nextAlternative(planned, attempts, records, NOW)?.instanceType, expected);
  });
}

t.test('a claim without alternatives is ordered by its own requirements', async (t) => {
  const { alternatives: _, ...rest } = toAdd('green');
  const own = { key: 'node.kubernetes.io/instance-type', operator: 'In' as const, values: ['r5.large'] };
  const planned = { ...rest, spec: { ...rest.spec, requirements: [own] } };
  t.match(alternativesOf(planned), [{ instanceType: 'r5.large', capacityType: 'on-demand', zone: '' }]);
  t.match(offeringsOf({ requirements: [own], instanceType: '', capacityType: '', zone: '' }), [
    { instanceType: 'r5.large', zone: undefined, capacityType: 'on-demand' },
  ]);
});
