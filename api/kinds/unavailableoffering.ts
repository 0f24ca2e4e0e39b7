import { z } from 'zod';
import type { KubeObject } from '../objects.ts';
import { labelValue, time } from './schema.ts';

const spec = z.object({
  instanceType: labelValue.min(1),
  zoneId: labelValue.exactOptional(),
  zone: labelValue.exactOptional(),
  capacityType: z.enum(['spot', 'on-demand', 'reserved']),
  capacityReservationId: labelValue.exactOptional(),
  reason: z.enum(['InsufficientCapacityError', 'SpotInterruptionPredicted', 'SpotInterruptionObserved']),
  expiresAt: time.exactOptional(),
});

const status = z.object({
  attempts: z.int().exactOptional(),
  cleanupAfter: time.exactOptional(),
});

export const unavailableOffering = z.object({ spec, status: status.exactOptional() });

export type UnavailableOfferingSpec = z.output<typeof spec>;

/** An offering that the cloud could not give, to be avoided until expiresAt. */
export interface UnavailableOffering extends KubeObject {
  readonly spec: UnavailableOfferingSpec;
  readonly status?: z.output<typeof status>;
}
