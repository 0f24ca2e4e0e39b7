import { SavingsplansClient } from '@aws-sdk/client-savingsplans';
import t, { type Test } from 'tap';
import { feeOf } from '../../../cloud/aws/commitments/owned.ts';
import { readCommitments } from '../../../cloud/aws/commitments/read.ts';
import { readTypes, startTestRegion, type TestRegion } from './testing/testregion.ts';

/** What our reader makes of an account's Savings Plans and Reserved Instances. */

const types = await readTypes();

const open = async (t: Test) => {
  const test = await startTestRegion(types);
  const savingsPlans = new SavingsplansClient({
    region: 'us-east-1',
    endpoint: test.url,
    credentials: { accessKeyId: 'ground', secretAccessKey: 'ground' },
    maxAttempts: 1,
  });
  t.teardown(async () => {
    savingsPlans.destroy();
    await test.close();
  });
  return { test, read: () => read(test, savingsPlans) };
};
const read = ({ ec2 }: TestRegion, savingsPlans: SavingsplansClient) =>
  readCommitments({ ec2, savingsPlans, region: 'us-west-2', signal: new AbortController().signal });

const COMPUTE = { type: 'Compute', state: 'active', commitment: 1.5, share: 0.6 } as const;

t.test(
  'active Savings Plans for machines, with the rates of Linux on shared machines, over pages',
  async (t) => {
    const { test, read } = await open(t);
    test.region.commitments.savingsPlans = [
      { ...COMPUTE, id: 'compute' },
      { ...COMPUTE, id: 'm5', type: 'EC2Instance', region: 'us-west-2', family: 'm5' },
      { ...COMPUTE, id: 'other-region', type: 'EC2Instance', region: 'eu-west-1', family: 'm5' },
      { ...COMPUTE, id: 'over', state: 'retired' },
      { ...COMPUTE, id: 'models', type: 'SageMaker' },
    ];
    const { savingsPlans } = await read();
    t.same(
      savingsPlans.map(({ id, hourly, family }) => [id, hourly, family]),
      [
        ['compute', 1.5, undefined],
        ['m5', 1.5, 'm5'],
      ],
    );
    const [compute, family] = savingsPlans;
    t.equal(compute?.rates.size, types.size, 'all pages');
    t.equal(
      compute?.rates.get('m5.xlarge'),
      Number(((types.get('m5.xlarge')?.onDemandPrice ?? 0) * 0.6).toFixed(6)),
    );
    t.ok(family && [...family.rates.keys()].every((name) => name.startsWith('m5.')));
  },
);

t.test('active Reserved Instances for Linux on shared machines, with their fee', async (t) => {
  const { test, read } = await open(t);
  const one = { instanceType: 'm5.large', count: 2, state: 'active' } as const;
  test.region.commitments.reserved = [
    { ...one, id: 'regional', fixedPrice: 876, recurring: 0.02 },
    { ...one, id: 'zonal', zone: 'us-west-2b' },
    { ...one, id: 'over', state: 'retired' },
    { ...one, id: 'windows', product: 'Windows' },
    { ...one, id: 'alone', tenancy: 'dedicated' },
  ];
  const owned = await read();
  t.match(owned.reserved, [
    { id: 'regional', instanceType: 'm5.large', count: 2, zone: undefined },
    { id: 'zonal', instanceType: 'm5.large', count: 2, zone: 'us-west-2b' },
  ]);
  t.equal(feeOf(owned).toFixed(3), (2 * (0.1 + 0.02)).toFixed(3), '876 USD a year are 0.1 an hour');
});

t.test('a missing right is an error, not an account without commitments', async (t) => {
  const { test, read } = await open(t);
  for (const action of ['DescribeReservedInstances', 'DescribeSavingsPlans']) {
    test.region.faults.set({ refuse: [{ action, reason: 'denied' }] });
    await t.rejects(read(), { name: /UnauthorizedOperation|AccessDeniedException/ }, action);
  }
});
