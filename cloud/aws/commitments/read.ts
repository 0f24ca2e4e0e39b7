import { DescribeReservedInstancesCommand, type EC2Client } from '@aws-sdk/client-ec2';
import {
  DescribeSavingsPlanRatesCommand,
  DescribeSavingsPlansCommand,
  type SavingsPlanRate,
  type SavingsplansClient,
} from '@aws-sdk/client-savingsplans';
import type { OwnedCommitments, ReservedInstances, SavingsPlan } from './owned.ts';

/** The calls of this file, all of which only read. */
export const COMMITMENT_CALLS = [
  'ec2:DescribeReservedInstances',
  'savingsplans:DescribeSavingsPlans',
  'savingsplans:DescribeSavingsPlanRates',
] as const;

const LINUX = 'Linux/UNIX';
const PAGE = 1000;

const propertyOf = (rate: SavingsPlanRate, name: string): string | undefined =>
  rate.properties?.find((property) => property.name === name)?.value;

/** What each instance type uses of a Savings Plan, for Linux with shared tenancy in a region. */
const fetchRates = async (
  client: SavingsplansClient,
  o: { readonly savingsPlanId: string; readonly region: string; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, number>> => {
  const rates = new Map<string, number>();
  let nextToken: string | undefined;
  do {
    const page = await client.send(
      new DescribeSavingsPlanRatesCommand({
        savingsPlanId: o.savingsPlanId,
        maxResults: PAGE,
        filters: [
          { name: 'region', values: [o.region] },
          { name: 'productDescription', values: [LINUX] },
          { name: 'tenancy', values: ['shared'] },
          { name: 'serviceCode', values: ['AmazonEC2'] },
        ],
        ...(nextToken && { nextToken }),
      }),
      { abortSignal: o.signal },
    );
    for (const each of page.searchResults ?? []) {
      const type = propertyOf(each, 'instanceType');
      const rate = Number(each.rate);
      // Boxes that run cost BoxUsage; the same rate is listed for machines that a reservation keeps unused.
      if (type && each.currency === 'USD' && rate > 0 && each.usageType?.includes('BoxUsage'))
        rates.set(type, rate);
    }
    nextToken = page.nextToken;
  } while (nextToken);
  return rates;
};

const fetchSavingsPlans = async (
  client: SavingsplansClient,
  region: string,
  signal: AbortSignal,
): Promise<readonly SavingsPlan[]> => {
  const plans: SavingsPlan[] = [];
  let nextToken: string | undefined;
  do {
    const page = await client.send(
      new DescribeSavingsPlansCommand({
        states: ['active'],
        maxResults: PAGE,
        ...(nextToken && { nextToken }),
      }),
      { abortSignal: signal },
    );
    for (const each of page.savingsPlans ?? []) {
      const { savingsPlanId, savingsPlanType, ec2InstanceFamily: family } = each;
      const hourly = Number(each.commitment);
      const isForMachines = savingsPlanType === 'Compute' || savingsPlanType === 'EC2Instance';
      if (!savingsPlanId || !isForMachines || each.currency !== 'USD' || !(hourly > 0)) continue;
      if (savingsPlanType === 'EC2Instance' && each.region !== region) continue;
      const rates = await fetchRates(client, { savingsPlanId, region, signal });
      plans.push({
        id: savingsPlanId,
        hourly,
        rates,
        ...(savingsPlanType === 'EC2Instance' && family && { family }),
      });
    }
    nextToken = page.nextToken;
  } while (nextToken);
  return plans;
};

const fetchReserved = async (ec2: EC2Client, signal: AbortSignal): Promise<readonly ReservedInstances[]> => {
  const { ReservedInstances: all = [] } = await ec2.send(
    new DescribeReservedInstancesCommand({
      Filters: [
        { Name: 'state', Values: ['active'] },
        { Name: 'product-description', Values: [LINUX, `${LINUX} (Amazon VPC)`] },
      ],
    }),
    { abortSignal: signal },
  );
  return all.flatMap((each): ReservedInstances[] => {
    const { ReservedInstancesId: id, InstanceType: instanceType, InstanceCount: count = 0 } = each;
    if (!id || !instanceType || count <= 0 || each.InstanceTenancy === 'dedicated') return [];
    const zone = each.Scope === 'Availability Zone' ? each.AvailabilityZone : undefined;
    const recurring = (each.RecurringCharges ?? [])
      .filter(({ Frequency }) => Frequency === 'Hourly')
      .reduce((sum, { Amount = 0 }) => sum + Amount, 0);
    const spread = each.Duration ? ((each.FixedPrice ?? 0) / each.Duration) * 3600 : 0;
    return [{ id, instanceType, count, hourly: recurring + spread, ...(zone && { zone }) }];
  });
};

/** Reads what an account has committed to in a region. Throws the SDK's errors. */
export const readCommitments = async (o: {
  readonly ec2: EC2Client;
  readonly savingsPlans: SavingsplansClient;
  readonly region: string;
  readonly signal: AbortSignal;
}): Promise<OwnedCommitments> => {
  const [savingsPlans, reserved] = await Promise.all([
    fetchSavingsPlans(o.savingsPlans, o.region, o.signal),
    fetchReserved(o.ec2, o.signal),
  ]);
  return { savingsPlans, reserved };
};
