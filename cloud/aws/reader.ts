import type { KeptCapacity } from './capacityreservations.ts';
import type { OnDemandPrices, SpotPrices } from './prices.ts';
import type { Credentials } from './signed/sigv4.ts';
import type { UnpricedType } from './unpricedtype.ts';

/** The right that capacity reservations are read with. */
export const RESERVATIONS_CALL = 'ec2:DescribeCapacityReservations';

/** Whether EC2 refused a call for want of a right; what STS refuses to credentials is called otherwise. */
export const isRefusedByEc2 = (error: unknown): boolean =>
  error instanceof Error && error.name === 'UnauthorizedOperation';

export interface ExpiringCredentials extends Credentials {
  /** Milliseconds since 1970; undefined where they do not expire. */
  readonly expiresAt?: number;
}

/** Reads from AWS. Calls throw the errors of the AWS SDK, or of the process that they run in. */
export interface AwsReader {
  types(signal: AbortSignal): Promise<readonly UnpricedType[]>;
  /** Zones that offer a type, by type. */
  zones(signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Zone ids by zone. */
  zoneIds(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  onDemandPrices(signal: AbortSignal): Promise<OnDemandPrices>;
  /** `now` in milliseconds since 1970. */
  spotPrices(now: number, signal: AbortSignal): Promise<SpotPrices>;
  /** Spot placement scores by zone id, 1 to 10, for a few machines of any of these types. */
  placementScores(types: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  /** The account's capacity reservations with what is left of them. */
  reservations(signal: AbortSignal): Promise<readonly KeptCapacity[]>;
  /** Names of Nodes by provider id; without the ids that AWS does not know. */
  nodeNames(providerIDs: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** The ARN of the EKS cluster that these machines belong to; undefined where no tag tells. */
  clusterArn(providerIDs: readonly string[], signal: AbortSignal): Promise<string | undefined>;
  /** What requests are signed with that the SDK does not make. */
  credentials(signal: AbortSignal): Promise<ExpiringCredentials>;
  close(): void;
}

export interface ReaderOptions {
  readonly region: string;
  /** Share of a machine's memory that the hypervisor takes, 0 to 1. */
  readonly vmMemoryOverhead: number;
}
