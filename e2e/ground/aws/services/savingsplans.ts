import { z } from 'zod';
import type { MachineType } from '../catalogue/catalogue.ts';
import { AwsError } from '../protocol/errors.ts';
import { pageOf } from '../protocol/paging.ts';
import type { Region } from '../region.ts';
import type { SavingsPlanState } from '../state/commitments.ts';

const page = { maxResults: z.number().int().optional(), nextToken: z.string().optional() };
const PLANS = z.object({ ...page, states: z.array(z.string()).optional() });
const RATES = z.object({
  ...page,
  savingsPlanId: z.string(),
  filters: z.array(z.object({ name: z.string(), values: z.array(z.string()) })).default([]),
});

/** The service's own limit. */
const MOST = 1000;

const parse = <T>(schema: z.ZodType<T>, body: unknown): T => {
  const read = schema.safeParse(body);
  if (!read.success) throw new AwsError('ValidationException', z.prettifyError(read.error));
  return read.data;
};

const planOf = ({ id, type, state, commitment, region, family }: SavingsPlanState): object => ({
  savingsPlanId: id,
  savingsPlanType: type,
  state,
  commitment: commitment.toFixed(8),
  currency: 'USD',
  productTypes: type === 'SageMaker' ? ['SageMaker'] : ['EC2'],
  ...(region && { region }),
  ...(family && { ec2InstanceFamily: family }),
});

interface Rate {
  readonly type: MachineType;
  readonly usage: 'BoxUsage' | 'UnusedBox';
  readonly tenancy: string;
  readonly product: string;
}

const ratesOf = ({ type, family }: SavingsPlanState, region: Region): readonly Rate[] =>
  [...region.types.values()]
    .filter((each) => type === 'Compute' || each.name.startsWith(`${family}.`))
    .flatMap((each) =>
      (['BoxUsage', 'UnusedBox'] as const).flatMap((usage) =>
        ['shared', 'dedicated'].flatMap((tenancy) =>
          ['Linux/UNIX', 'Windows'].map((product) => ({ type: each, usage, tenancy, product })),
        ),
      ),
    );

const rateOf = (
  plan: SavingsPlanState,
  { type, usage, tenancy, product }: Rate,
  region: string,
): Readonly<Record<string, unknown>> => ({
  // What is not Linux on a shared machine that runs costs another price, by which a wrong reading shows.
  rate: (type.onDemandPrice * (product === 'Windows' || tenancy === 'dedicated' ? 2 : plan.share)).toFixed(6),
  currency: 'USD',
  unit: 'Hrs',
  productType: 'EC2',
  serviceCode: 'AmazonEC2',
  usageType: `USW2-${usage}:${type.name}`,
  operation: 'RunInstances',
  properties: [
    { name: 'region', value: region },
    { name: 'instanceType', value: type.name },
    { name: 'productDescription', value: product },
    { name: 'tenancy', value: tenancy },
  ],
});

const describeRates = (body: unknown, region: Region): object => {
  const { savingsPlanId, filters, maxResults, nextToken } = parse(RATES, body);
  const plan = region.commitments.savingsPlans.find(({ id }) => id === savingsPlanId);
  if (!plan)
    throw new AwsError('ResourceNotFoundException', `there is no Savings Plan ${savingsPlanId}`, 404);
  const attribute = (rate: Rate, name: string): string | undefined =>
    ({
      region: region.name,
      instanceType: rate.type.name,
      productDescription: rate.product,
      tenancy: rate.tenancy,
      serviceCode: 'AmazonEC2',
      productType: 'EC2',
    })[name];
  const found = ratesOf(plan, region).filter((rate) =>
    filters.every(({ name, values }) => values.includes(attribute(rate, name) ?? '')),
  );
  const keyOf = (rate: Rate): string => [rate.type.name, rate.usage, rate.tenancy, rate.product].join('/');
  const { items, nextToken: next } = pageOf(found, keyOf, { maxResults, nextToken }, MOST);
  return {
    savingsPlanId,
    searchResults: items.map((rate) => rateOf(plan, rate, region.name)),
    ...(next && { nextToken: next }),
  };
};

/** The Savings Plans service: what is owned, and the rates of each. */
export const savingsPlans = (action: string, body: unknown, region: Region): object => {
  if (action === 'DescribeSavingsPlanRates') return describeRates(body, region);
  if (action !== 'DescribeSavingsPlans')
    throw new AwsError('UnknownOperationException', `the endpoint does not know ${action}`);
  const { states, maxResults, nextToken } = parse(PLANS, body);
  const found = region.commitments.savingsPlans.filter(({ state }) => states?.includes(state) ?? true);
  const { items, nextToken: next } = pageOf(found, ({ id }) => id, { maxResults, nextToken }, MOST);
  return { savingsPlans: items.map(planOf), ...(next && { nextToken: next }) };
};
