import type { CapacityReservationState } from '../state/commitments.ts';
import type { Ec2Action } from './action.ts';
import { type Attributes, applyFilters, filtersOf, withoutTags } from './filters.ts';

const ATTRIBUTES: Attributes<CapacityReservationState> = {
  state: ({ state }) => [state],
  'instance-type': ({ instanceType }) => [instanceType],
  'availability-zone': ({ zone }) => [zone],
};

export const describeCapacityReservations: Ec2Action = (form, region) => ({
  capacityReservationSet: applyFilters(
    [...region.commitments.capacity],
    filtersOf(form),
    ATTRIBUTES,
    withoutTags,
  ).map((each) => ({
    capacityReservationId: each.id,
    ownerId: region.account,
    instanceType: each.instanceType,
    availabilityZone: each.zone,
    state: each.state,
    totalInstanceCount: String(each.total),
    availableInstanceCount: String(each.available),
    instanceMatchCriteria: 'targeted',
    reservationType: each.isBlock ? 'capacity-block' : 'default',
    interruptible: String(each.interruptible ?? false),
    instancePlatform: 'Linux/UNIX',
    tenancy: 'default',
  })),
});
