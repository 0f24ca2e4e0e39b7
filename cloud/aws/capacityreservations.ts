import { DescribeCapacityReservationsCommand, type EC2Client } from '@aws-sdk/client-ec2';
import type { CapacityReservation } from '../../planner/model/catalogue.ts';

/** A reservation of the account, or one that is shared with it. */
export interface KeptCapacity extends Omit<CapacityReservation, 'readAt'> {
  readonly instanceType: string;
  readonly zone: string;
}

const PAGE = 1000;

/** The reservations that machines may be launched into now, full ones included. */
export const fetchReservations = async (
  ec2: EC2Client,
  signal: AbortSignal,
): Promise<readonly KeptCapacity[]> => {
  const found: KeptCapacity[] = [];
  let token: string | undefined;
  do {
    const page = await ec2.send(
      new DescribeCapacityReservationsCommand({
        Filters: [{ Name: 'state', Values: ['active'] }],
        MaxResults: PAGE,
        ...(token && { NextToken: token }),
      }),
      { abortSignal: signal },
    );
    for (const each of page.CapacityReservations ?? []) {
      const { CapacityReservationId: id, InstanceType: instanceType, AvailabilityZone: zone } = each;
      if (!id || !instanceType || !zone) continue;
      found.push({
        id,
        instanceType,
        zone,
        type: each.ReservationType === 'capacity-block' ? 'capacity-block' : 'default',
        interruptible: each.Interruptible === true,
        left: Math.max(0, each.AvailableInstanceCount ?? 0),
      });
    }
    token = page.NextToken;
  } while (token);
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
};
