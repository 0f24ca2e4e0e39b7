import {
  DescribeAvailabilityZonesCommand,
  DescribeCapacityReservationsCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  DescribeSpotPriceHistoryCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { GetProductsCommand, PricingClient } from '@aws-sdk/client-pricing';
import { RESERVATIONS_CALL } from './reader.ts';
import { PRICING_REGION } from './sdkreader.ts';
import { MACHINES_CALL } from './zonalshift/managedresource.ts';

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

/** The actions that kentroller needs and that these credentials lack: dry runs, and one page of the price list. */
export const lackedActions = async (o: {
  readonly region: string;
  readonly signal: AbortSignal;
  readonly ec2?: EC2Client;
  readonly pricing?: PricingClient;
}): Promise<readonly LackedAction[]> => {
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
    [MACHINES_CALL, () => ec2.send(new DescribeInstancesCommand(dry), options)],
    [
      'pricing:GetProducts',
      () => pricing.send(new GetProductsCommand({ ServiceCode: 'AmazonEC2', MaxResults: 1 }), options),
    ],
  ];
  try {
    const answers = await Promise.all(calls.map(([, call]) => isAllowed(call())));
    return calls.flatMap(([action], index) => (answers[index] ? [] : [action]));
  } finally {
    ec2.destroy();
    pricing.destroy();
  }
};
