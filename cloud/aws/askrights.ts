import {
  DescribeAvailabilityZonesCommand,
  DescribeCapacityReservationsCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  DescribeSpotPriceHistoryCommand,
  EC2Client,
  GetSpotPlacementScoresCommand,
} from '@aws-sdk/client-ec2';
import { GetProductsCommand, PricingClient } from '@aws-sdk/client-pricing';
import { PLACEMENT_SCORES_CALL } from './placementscores/unread.ts';
import { RESERVATIONS_CALL } from './reader.ts';
import { PRICING_REGION } from './sdkreader.ts';
import { fetchClusterArn } from './zonalshift/clusterarn.ts';
import {
  MACHINES_CALL,
  readManagedResource,
  unreadOf,
  ZONAL_SHIFT_CALL,
} from './zonalshift/managedresource.ts';

/** An action of IAM that these credentials lack. */
export type LackedAction = string;

const DENIED: ReadonlySet<string> = new Set([
  'UnauthorizedOperation',
  'AccessDenied',
  'AccessDeniedException',
]);
/** EC2's answer to a dry run of a call that would have been allowed. */
const WOULD_SUCCEED = 'DryRunOperation';

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/** Whether a call is allowed. Throws every error that says nothing about rights. */
const isAllowed = async (call: Promise<unknown>): Promise<boolean> => {
  try {
    await call;
    return true;
  } catch (error) {
    if (nameOf(error) === WOULD_SUCCEED) return true;
    if (DENIED.has(nameOf(error))) return false;
    throw error;
  }
};

export interface RightsQuestion {
  readonly region: string;
  /** Provider ids of the cluster's machines, which tell the cluster that zonal shifts are read of. */
  readonly machines: readonly string[];
  /** Where ARC zonal shift answers, if not where its region says. */
  readonly endpoint?: string;
  readonly signal: AbortSignal;
  readonly ec2?: EC2Client;
  readonly pricing?: PricingClient;
}

/** A configuration that no score is asked for: a dry run takes none of the account's. */
const SCORED = { InstanceTypes: ['m5.large', 'm5.xlarge', 'm5.2xlarge'], TargetCapacity: 1 };

/** What credentials may not do, and why the right to zonal shifts could not be asked for. */
export interface LackedRights {
  readonly lacked: readonly LackedAction[];
  readonly unasked?: string;
}

/** The right to zonal shifts is one to a cluster by its ARN, and no dry run: a reading tells. */
const askZonalShift = async (
  ec2: EC2Client,
  { region, machines, endpoint, signal }: RightsQuestion,
): Promise<LackedRights> => {
  try {
    const clusterArn = await fetchClusterArn(ec2, { region, providerIDs: machines, signal });
    if (clusterArn === undefined) return { lacked: [], unasked: 'no machine here tells its EKS cluster' };
    const read = readManagedResource({
      region,
      credentials: () => ec2.config.credentials(),
      ...(endpoint !== undefined && { endpoint }),
    });
    await read(clusterArn, signal);
    return { lacked: [] };
  } catch (error) {
    const { kind, unread, lacks } = unreadOf(error, ZONAL_SHIFT_CALL);
    if (kind === 'unregistered') return { lacked: [] };
    return lacks === undefined ? { lacked: [], unasked: unread } : { lacked: [lacks] };
  }
};

/**
 * The actions that kentroller needs and that these credentials lack: dry runs, one page of the price list, and the cluster's
 * zonal shifts. Throws every error of EC2 and of the price list that says nothing about rights.
 */
export const lackedActions = async (o: RightsQuestion): Promise<LackedRights> => {
  const { region, signal: abortSignal } = o;
  const ec2 = o.ec2 ?? new EC2Client({ region, maxAttempts: 2 });
  const pricing = o.pricing ?? new PricingClient({ region: PRICING_REGION, maxAttempts: 2 });
  const dry = { DryRun: true };
  const options = { abortSignal };
  const calls: readonly (readonly [LackedAction, () => Promise<unknown>])[] = [
    ['ec2:DescribeInstanceTypes', () => ec2.send(new DescribeInstanceTypesCommand(dry), options)],
    [
      'ec2:DescribeInstanceTypeOfferings',
      () => ec2.send(new DescribeInstanceTypeOfferingsCommand(dry), options),
    ],
    ['ec2:DescribeAvailabilityZones', () => ec2.send(new DescribeAvailabilityZonesCommand(dry), options)],
    ['ec2:DescribeSpotPriceHistory', () => ec2.send(new DescribeSpotPriceHistoryCommand(dry), options)],
    [RESERVATIONS_CALL, () => ec2.send(new DescribeCapacityReservationsCommand(dry), options)],
    [
      PLACEMENT_SCORES_CALL,
      // A region without scores says nothing about rights.
      () =>
        ec2
          .send(new GetSpotPlacementScoresCommand({ ...dry, ...SCORED }), options)
          .catch((error: unknown) => {
            if (DENIED.has(nameOf(error))) throw error;
          }),
    ],
    [MACHINES_CALL, () => ec2.send(new DescribeInstancesCommand(dry), options)],
    [
      'pricing:GetProducts',
      () => pricing.send(new GetProductsCommand({ ServiceCode: 'AmazonEC2', MaxResults: 1 }), options),
    ],
  ];
  try {
    const answers = await Promise.all(calls.map(([, call]) => isAllowed(call())));
    const lacked = calls.flatMap(([action], index) => (answers[index] ? [] : [action]));
    if (lacked.includes(MACHINES_CALL))
      return { lacked, unasked: 'machines, which tell the cluster, may not be read' };
    const shifts = await askZonalShift(ec2, o);
    return { ...shifts, lacked: [...lacked, ...shifts.lacked] };
  } finally {
    ec2.destroy();
    pricing.destroy();
  }
};
