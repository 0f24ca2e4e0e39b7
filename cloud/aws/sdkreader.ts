import { EC2Client } from '@aws-sdk/client-ec2';
import { PricingClient } from '@aws-sdk/client-pricing';
import { fetchReservations } from './capacityreservations.ts';
import { fetchTypes, fetchZoneIds, fetchZones } from './instancetypes.ts';
import { fetchPlacementScores } from './placementscores/fetch.ts';
import { fetchOnDemandPrices, fetchSpotPrices } from './prices.ts';
import { fetchNodeNames } from './privatednsnames.ts';
import type { AwsReader, ReaderOptions } from './reader.ts';
import { fetchClusterArn } from './zonalshift/clusterarn.ts';

/** Only a few regions serve the price list. */
export const PRICING_REGION = 'us-east-1';

/** Reads with the AWS SDK; endpoint and credentials come from the environment. */
export const sdkReader = (
  o: ReaderOptions & { readonly ec2?: EC2Client; readonly pricing?: PricingClient },
): AwsReader => {
  const { region, vmMemoryOverhead } = o;
  const ec2 = o.ec2 ?? new EC2Client({ region, maxAttempts: 5 });
  const pricing = o.pricing ?? new PricingClient({ region: PRICING_REGION, maxAttempts: 5 });
  return {
    types: (signal) => fetchTypes(ec2, region, vmMemoryOverhead, signal),
    zones: (signal) => fetchZones(ec2, signal),
    zoneIds: (signal) => fetchZoneIds(ec2, signal),
    onDemandPrices: (signal) => fetchOnDemandPrices(pricing, region, signal),
    spotPrices: (now, signal) => fetchSpotPrices(ec2, now, signal),
    placementScores: (types, signal) => fetchPlacementScores(ec2, region, types, signal),
    reservations: (signal) => fetchReservations(ec2, signal),
    nodeNames: (providerIDs, signal) => fetchNodeNames(ec2, providerIDs, signal),
    clusterArn: (providerIDs, signal) => fetchClusterArn(ec2, { region, providerIDs, signal }),
    credentials: async () => {
      const { accessKeyId, secretAccessKey, sessionToken, expiration } = await ec2.config.credentials();
      return {
        accessKeyId,
        secretAccessKey,
        ...(sessionToken !== undefined && { sessionToken }),
        ...(expiration && { expiresAt: expiration.getTime() }),
      };
    },
    close: () => {
      ec2.destroy();
      pricing.destroy();
    },
  };
};
