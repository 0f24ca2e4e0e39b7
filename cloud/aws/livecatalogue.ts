import { EC2Client } from '@aws-sdk/client-ec2';
import { SavingsplansClient } from '@aws-sdk/client-savingsplans';
import { messageOf } from '../../kube/errors.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { buildCatalogue } from './catalogue.ts';
import type { OwnedCommitments } from './commitments/owned.ts';
import { readCommitments } from './commitments/read.ts';
import { type AwsReader, isRefusedByEc2, RESERVATIONS_CALL } from './reader.ts';
import { sdkReader } from './sdkreader.ts';
import {
  MACHINES_CALL,
  readManagedResource,
  type ShiftCall,
  unreadOf,
  ZONAL_SHIFT_CALL,
  type ZonalShifts,
  zoneShiftsOf,
} from './zonalshift/managedresource.ts';

/** The calls that a catalogue is read with, all of which only read. */
export const READ_CALLS = [
  'ec2:DescribeInstanceTypes',
  'ec2:DescribeInstanceTypeOfferings',
  'ec2:DescribeAvailabilityZones',
  'ec2:DescribeSpotPriceHistory',
  MACHINES_CALL,
  'pricing:GetProducts',
] as const;

/** What AWS tells of a region now. */
export interface LiveCatalogue {
  readonly catalogue: Catalogue;
  /** What the account has committed to, or why that could not be read. */
  readonly owned: OwnedCommitments | { readonly unread: string };
  /** Why capacity reservations could not be read; left out where they were. */
  readonly reservationsUnread?: { readonly reason: string; readonly lacks?: string };
  /** The zones that are shifted away; left out for what is no EKS cluster, or one that is not registered. */
  readonly zonalShifts?: ZonalShifts;
}

/** Whether the SDK's default chain finds credentials within `timeoutMs`; it may ask the instance metadata service. */
export const hasCredentials = async (region: string, timeoutMs: number): Promise<boolean> => {
  const ec2 = new EC2Client({ region });
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), timeoutMs);
  const found = ec2.config.credentials().then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([found, late]);
  } finally {
    clearTimeout(timer);
    ec2.destroy();
  }
};

/** Savings Plans are asked for in one place for all regions. */
const SAVINGS_PLANS_REGION = 'us-east-1';

const commitmentsOf = async (region: string, signal: AbortSignal): Promise<LiveCatalogue['owned']> => {
  const ec2 = new EC2Client({ region });
  const savingsPlans = new SavingsplansClient({ region: SAVINGS_PLANS_REGION });
  try {
    return await readCommitments({ ec2, savingsPlans, region, signal });
  } catch (error) {
    return { unread: messageOf(error) };
  } finally {
    ec2.destroy();
    savingsPlans.destroy();
  }
};

/** The shifts of the cluster that these machines are of. */
const shiftsOf = async (
  reader: AwsReader,
  o: { readonly region: string; readonly machines: readonly string[]; readonly endpoint?: string },
  { now, signal }: { readonly now: number; readonly signal: AbortSignal },
): Promise<Pick<LiveCatalogue, 'zonalShifts'>> => {
  let call: ShiftCall = MACHINES_CALL;
  try {
    const clusterArn = await reader.clusterArn(o.machines, signal);
    if (clusterArn === undefined) return {};
    call = ZONAL_SHIFT_CALL;
    const read = readManagedResource({ ...o, credentials: (asking) => reader.credentials(asking) });
    return { zonalShifts: { zones: zoneShiftsOf(await read(clusterArn, signal), now) } };
  } catch (error) {
    const { kind, ...why } = unreadOf(error, call);
    return kind === 'unregistered' ? {} : { zonalShifts: { zones: [], ...why } };
  }
};

/** Reads the catalogue of a region once. Throws the SDK's errors; `now` in milliseconds since 1970. */
export const readCatalogue = async (o: {
  readonly region: string;
  readonly vmMemoryOverhead: number;
  readonly now: number;
  /** Provider ids of the cluster's machines. */
  readonly machines: readonly string[];
  /** Where AWS answers, if not where its regions say. */
  readonly endpoint?: string;
  readonly signal: AbortSignal;
}): Promise<LiveCatalogue> => {
  const reader = sdkReader(o);
  try {
    const [owned, shifts, reserved, types, zones, zoneIds, onDemand, spot] = await Promise.all([
      commitmentsOf(o.region, o.signal),
      shiftsOf(reader, o, o),
      reader.reservations(o.signal).catch((error: unknown) => ({
        unread: {
          reason: messageOf(error),
          ...(isRefusedByEc2(error) && { lacks: RESERVATIONS_CALL }),
        },
      })),
      reader.types(o.signal),
      reader.zones(o.signal),
      reader.zoneIds(o.signal),
      reader.onDemandPrices(o.signal),
      reader.spotPrices(o.now, o.signal),
    ]);
    const facts = { types, zones, zoneIds, onDemand, spot };
    if ('unread' in reserved)
      return { catalogue: buildCatalogue(facts), owned, ...shifts, reservationsUnread: reserved.unread };
    const reservations = { list: reserved, readAt: o.now };
    return { catalogue: buildCatalogue({ ...facts, reservations }), owned, ...shifts };
  } finally {
    reader.close();
  }
};
