import {
  DescribeAvailabilityZonesCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2';
import { type UnpricedType, unpricedType } from './unpricedtype.ts';

/** All instance types of the region. Throws the SDK's errors. */
export const fetchTypes = async (
  ec2: EC2Client,
  region: string,
  vmMemoryOverhead: number,
  signal: AbortSignal,
): Promise<readonly UnpricedType[]> => {
  const types: UnpricedType[] = [];
  let token: string | undefined;
  do {
    const page = await ec2.send(
      new DescribeInstanceTypesCommand({
        MaxResults: 100,
        ...(token && { NextToken: token }),
        Filters: [{ Name: 'supported-virtualization-type', Values: ['hvm'] }],
      }),
      { abortSignal: signal },
    );
    for (const info of page.InstanceTypes ?? []) {
      const type = unpricedType(info, region, vmMemoryOverhead);
      if (type) types.push(type);
    }
    token = page.NextToken;
  } while (token);
  return types;
};

/** Zone ids of the region by zone name. Unlike names, ids are the same in every account. */
export const fetchZoneIds = async (
  ec2: EC2Client,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> => {
  const { AvailabilityZones = [] } = await ec2.send(new DescribeAvailabilityZonesCommand({}), {
    abortSignal: signal,
  });
  return new Map(
    AvailabilityZones.flatMap(({ ZoneName: name, ZoneId: id }): [string, string][] =>
      name && id ? [[name, id]] : [],
    ),
  );
};

/** Zones that offer a type, by type. */
export const fetchZones = async (
  ec2: EC2Client,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> => {
  const zones = new Map<string, string[]>();
  let token: string | undefined;
  do {
    const page = await ec2.send(
      new DescribeInstanceTypeOfferingsCommand({
        LocationType: 'availability-zone',
        MaxResults: 1000,
        ...(token && { NextToken: token }),
      }),
      { abortSignal: signal },
    );
    for (const { InstanceType: type, Location: zone } of page.InstanceTypeOfferings ?? []) {
      if (!type || !zone) continue;
      const known = zones.get(type);
      if (known) known.push(zone);
      else zones.set(type, [zone]);
    }
    token = page.NextToken;
  } while (token);
  return zones;
};
