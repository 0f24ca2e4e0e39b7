import type { Ec2Action } from './action.ts';
import { describeCapacityReservations } from './capacityreservations.ts';
import { createFleet } from './fleet.ts';
import { describeImages } from './images.ts';
import {
  createTags,
  deleteTags,
  describeInstanceStatus,
  describeInstances,
  runInstances,
  terminateInstances,
} from './instances.ts';
import { createLaunchTemplate, deleteLaunchTemplate, describeLaunchTemplates } from './launchtemplates.ts';
import { describeAvailabilityZones, describeSecurityGroups, describeSubnets } from './network.ts';
import { getSpotPlacementScores } from './placementscores.ts';
import { describeReservedInstances } from './reservedinstances.ts';
import { describeSpotPriceHistory } from './spotprices.ts';
import { describeInstanceTypeOfferings, describeInstanceTypes } from './types.ts';

/** The actions of EC2 that the endpoint answers, by name. */
export const EC2_ACTIONS: ReadonlyMap<string, Ec2Action> = new Map(
  Object.entries({
    CreateFleet: createFleet,
    CreateLaunchTemplate: createLaunchTemplate,
    CreateTags: createTags,
    DeleteLaunchTemplate: deleteLaunchTemplate,
    DeleteTags: deleteTags,
    DescribeAvailabilityZones: describeAvailabilityZones,
    DescribeCapacityReservations: describeCapacityReservations,
    DescribeImages: describeImages,
    DescribeInstanceStatus: describeInstanceStatus,
    DescribeInstanceTypeOfferings: describeInstanceTypeOfferings,
    DescribeInstanceTypes: describeInstanceTypes,
    DescribeInstances: describeInstances,
    DescribeLaunchTemplates: describeLaunchTemplates,
    DescribePlacementGroups: () => ({ placementGroupSet: [] }),
    DescribeReservedInstances: describeReservedInstances,
    DescribeSecurityGroups: describeSecurityGroups,
    DescribeSpotPriceHistory: describeSpotPriceHistory,
    DescribeSubnets: describeSubnets,
    GetSpotPlacementScores: getSpotPlacementScores,
    RunInstances: runInstances,
    TerminateInstances: terminateInstances,
  } satisfies Record<string, Ec2Action>),
);
