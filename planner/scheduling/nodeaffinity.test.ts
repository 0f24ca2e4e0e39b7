import t from 'tap';
import type { Requirement } from '../../api/objects.ts';
import { supplyOf } from '../model/supply.ts';
import { launchOptionsOf } from '../packing/launch/launchoption.ts';
import { makePool } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { meets } from './nodeaffinity.ts';

const MET: readonly (readonly [Requirement['operator'], string | undefined, boolean])[] = [
  ['Gte', '3', false],
  ['Gte', '4', true],
  ['Gte', '5', true],
  ['Lte', '3', true],
  ['Lte', '4', true],
  ['Lte', '5', false],
  ['Gte', 'x', false],
  ['Lte', undefined, false],
  ['Gt', '4', false],
  ['Lt', '4', false],
];
for (const [operator, value, expected] of MET) {
  t.test(`${value} ${expected ? 'meets' : 'does not meet'} ${operator} 4`, async (t) => {
    t.equal(meets({ key: 'size', operator, values: ['4'] }, value), expected);
  });
}

t.test(
  'a NodePool whose requirements have inclusive bounds gets the options of the exclusive ones',
  async (t) => {
    const key = 'karpenter.k8s.aws/instance-cpu';
    const types = (...requirements: readonly Requirement[]): string[] => [
      ...new Set(
        launchOptionsOf([makePool('a', { requirements })], supplyOf(smallCatalogue), new Map()).map(
          ({ type }) => type.name,
        ),
      ),
    ];
    const exclusive = types({ key, operator: 'Gt', values: ['3'] }, { key, operator: 'Lt', values: ['9'] });
    t.ok(exclusive.length > 0);
    t.same(
      types({ key, operator: 'Gte', values: ['4'] }, { key, operator: 'Lte', values: ['8'] }),
      exclusive,
    );
  },
);
