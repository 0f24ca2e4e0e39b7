import { type EC2Client, GetSpotPlacementScoresCommand } from '@aws-sdk/client-ec2';

/** Capacity that is asked for: a few machines of any size. Another number would be another configuration to AWS. */
const TARGET_VCPUS = 64;
const PAGE = 100;
const MOST_PAGES = 10;

/** The score of each zone of the region by the zone's id, 1 to 10, for a few machines of any of these types. */
export const fetchPlacementScores = async (
  ec2: EC2Client,
  region: string,
  types: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> => {
  const scores = new Map<string, number>();
  let token: string | undefined;
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const page = await ec2.send(
      new GetSpotPlacementScoresCommand({
        InstanceTypes: [...types],
        TargetCapacity: TARGET_VCPUS,
        TargetCapacityUnitType: 'vcpu',
        SingleAvailabilityZone: true,
        RegionNames: [region],
        MaxResults: PAGE,
        ...(token && { NextToken: token }),
      }),
      { abortSignal: signal },
    );
    for (const { AvailabilityZoneId: zoneId, Score: score } of page.SpotPlacementScores ?? []) {
      if (zoneId && score !== undefined && score >= 1 && score <= 10) scores.set(zoneId, score);
    }
    token = page.NextToken;
    if (!token) break;
  }
  return scores;
};
