import fc from 'fast-check';
import t from 'tap';
import type { Requirement } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { type Alternative, valuesOf } from './alternatives.ts';
import { restrict } from './restrict.ts';

const TYPE = 'node.kubernetes.io/instance-type';
const ZONE = 'topology.kubernetes.io/zone';
const CAPACITY = 'karpenter.sh/capacity-type';
const FAMILY = 'karpenter.k8s.aws/instance-family';

const is = (key: string, ...values: readonly string[]): Requirement => ({ key, operator: 'In', values });
const alternative = (...requirements: readonly Requirement[]): Alternative => ({
  index: 0,
  requirements,
  instanceType: 'm5.large',
  capacityType: 'spot',
  zone: 'a',
});
const ALL = alternative(is(TYPE, 'm5.large', 'c5.large'), is(ZONE, 'a', 'b'), is(CAPACITY, 'spot'));
const SOLD = {
  'm5.large/a/spot': 0.1,
  'm5.large/b/spot': 0.3,
  'c5.large/a/spot': 0.2,
  'c5.large/b/spot': 0.2,
};

const cut = (most: number, from: Alternative = ALL, prices: Readonly<Record<string, number>> = SOLD) => {
  const found = restrict(from, make.offerings(prices), undefined, ({ offering }) => offering.price <= most);
  if (!found) return undefined;
  const { requirements } = found.alternative;
  return [TYPE, ZONE, CAPACITY].map((key) => valuesOf(requirements, key).join()).join(' ');
};

t.test('an alternative that is cheap enough as a whole stays as it is', async (t) => {
  const found = restrict(ALL, make.offerings(SOLD), undefined, () => true);
  t.equal(found?.alternative, ALL);
  t.equal(found?.dearest, 0.3);
});

const CASES: readonly (readonly [string, string | undefined, string | undefined])[] = [
  ['a zone goes where a type is too dear there', cut(0.25), 'm5.large,c5.large a spot'],
  ['a type goes that is too dear everywhere', cut(0.15), 'm5.large a spot'],
  ['nothing is left below the cheapest', cut(0.05), undefined],
  [
    'a type without a price goes',
    cut(1, alternative(is(TYPE, 'm5.large', 'x1.large'), is(ZONE, 'a', 'b'), is(CAPACITY, 'spot'))),
    'm5.large a,b spot',
  ],
  ['nothing is left where no type has a price', cut(1, alternative(is(TYPE, 'x1.large'))), undefined],
  [
    'a zone goes where an offering has no price',
    cut(1, ALL, { 'm5.large/a/spot': 0.1, 'c5.large/a/spot': 0.2, 'c5.large/b/spot': 0.1 }),
    'm5.large,c5.large a spot',
  ],
  ['zones that are left open are named', cut(0.25, alternative(is(TYPE, 'm5.large'))), 'm5.large a spot'],
  [
    'types are named that meet other requirements',
    cut(0.25, alternative(is(FAMILY, 'c5'), is(CAPACITY, 'spot'))),
    'c5.large a,b spot',
  ],
  [
    'minValues of types costs a zone',
    cut(0.25, alternative({ ...is(TYPE, 'm5.large', 'c5.large'), minValues: 2 }, is(ZONE, 'a', 'b'))),
    'm5.large,c5.large a spot',
  ],
  [
    'minValues that the cheap offerings can not meet leaves nothing',
    cut(0.15, alternative({ ...is(TYPE, 'm5.large', 'c5.large'), minValues: 2 })),
    undefined,
  ],
  [
    'minValues of a label counts the values of the types that are left',
    cut(0.15, alternative({ key: FAMILY, operator: 'Exists', minValues: 2 })),
    undefined,
  ],
  [
    'where minValues needs it, combinations that the cloud does not sell may be named',
    cut(
      1,
      alternative(
        { ...is(TYPE, 'm5.large', 'c5.large'), minValues: 2 },
        { ...is(ZONE, 'a', 'b'), minValues: 2 },
        is(CAPACITY, 'spot'),
      ),
      { 'm5.large/a/spot': 0.1, 'c5.large/a/spot': 0.2, 'c5.large/b/spot': 0.2 },
    ),
    'm5.large,c5.large a,b spot',
  ],
];
for (const [name, found, expected] of CASES) t.test(name, async (t) => t.equal(found, expected));

t.test('minValues stays in the requirement that is cut', async (t) => {
  const from = alternative({ ...is(TYPE, 'm5.large', 'c5.large', 'x1.large'), minValues: 2 }, is(ZONE, 'a'));
  const found = restrict(from, make.offerings(SOLD), undefined, () => true);
  t.match(
    found?.alternative.requirements.find(({ key }) => key === TYPE),
    { minValues: 2, values: ['m5.large', 'c5.large'] },
  );
});

t.test('whatever is cut, Karpenter can pick nothing that is too dear or has no price', async () => {
  const names = ['m5.large', 'm5.xlarge', 'c5.large', 'c5.xlarge', 'r5.large'];
  const keys = names.flatMap((name) =>
    ['a', 'b', 'c'].flatMap((zone) => ['spot', 'on-demand'].map((type) => `${name}/${zone}/${type}`)),
  );
  const price = fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined });
  fc.assert(
    fc.property(
      fc.tuple(...keys.map(() => price)),
      fc.subarray([...names, 'x1.large'], { minLength: 1 }),
      fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
      fc.integer({ min: 1, max: 9 }),
      (prices, types, zones, most) => {
        const sold = Object.fromEntries(
          keys.flatMap((key, at): [string, number][] => {
            const one = prices[at];
            return one === undefined ? [] : [[key, one]];
          }),
        );
        const from = alternative(is(TYPE, ...types), is(ZONE, ...zones), is(CAPACITY, 'spot', 'on-demand'));
        const found = restrict(
          from,
          make.offerings(sold),
          undefined,
          ({ offering }) => offering.price <= most,
        );
        const cheap = keys.some((key) => {
          const [type = '', zone = ''] = key.split('/');
          return types.includes(type) && zones.includes(zone) && (sold[key] ?? Number.NaN) <= most;
        });
        if (!found) return !cheap;
        const { requirements } = found.alternative;
        return valuesOf(requirements, TYPE).every((type) =>
          valuesOf(requirements, ZONE).every((zone) =>
            valuesOf(requirements, CAPACITY).every((capacityType) => {
              const one = sold[`${type}/${zone}/${capacityType}`];
              return one !== undefined && one <= most && one <= found.dearest;
            }),
          ),
        );
      },
    ),
    { numRuns: 500, seed: 6 },
  );
});
