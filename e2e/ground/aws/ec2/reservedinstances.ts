import type { ReservedInstancesState } from '../state/commitments.ts';
import type { Ec2Action } from './action.ts';
import { type Attributes, applyFilters, filtersOf, withoutTags } from './filters.ts';

const YEAR_S = 365 * 24 * 3600;
const LINUX = 'Linux/UNIX';

const ATTRIBUTES: Attributes<ReservedInstancesState> = {
  state: ({ state }) => [state],
  'product-description': ({ product = LINUX }) => [product],
  'instance-type': ({ instanceType }) => [instanceType],
};

export const describeReservedInstances: Ec2Action = (form, region) => ({
  reservedInstancesSet: applyFilters(
    [...region.commitments.reserved],
    filtersOf(form),
    ATTRIBUTES,
    withoutTags,
  ).map((each) => ({
    reservedInstancesId: each.id,
    instanceType: each.instanceType,
    instanceCount: String(each.count),
    state: each.state,
    scope: each.zone ? 'Availability Zone' : 'Region',
    ...(each.zone && { availabilityZone: each.zone }),
    instanceTenancy: each.tenancy ?? 'default',
    productDescription: each.product ?? LINUX,
    duration: String(YEAR_S),
    fixedPrice: String(each.fixedPrice ?? 0),
    usagePrice: '0',
    currencyCode: 'USD',
    recurringCharges: [{ frequency: 'Hourly', amount: String(each.recurring ?? 0) }],
  })),
});
