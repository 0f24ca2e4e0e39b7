import { EC2Client } from '@aws-sdk/client-ec2';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { buildCatalogue } from './catalogue.ts';
import { sdkReader } from './sdkreader.ts';

/** The calls of `readCatalogue`, all of which only read. */
export const READ_CALLS = [
  'ec2:DescribeInstanceTypes',
  'ec2:DescribeInstanceTypeOfferings',
  'ec2:DescribeAvailabilityZones',
  'ec2:DescribeSpotPriceHistory',
  'pricing:GetProducts',
] as const;

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

/** Reads the catalogue of a region once. Throws the SDK's errors; `now` in milliseconds since 1970. */
export const readCatalogue = async (o: {
  readonly region: string;
  readonly vmMemoryOverhead: number;
  readonly now: number;
  readonly signal: AbortSignal;
}): Promise<Catalogue> => {
  const reader = sdkReader(o);
  try {
    const [types, zones, zoneIds, onDemand, spot] = await Promise.all([
      reader.types(o.signal),
      reader.zones(o.signal),
      reader.zoneIds(o.signal),
      reader.onDemandPrices(o.signal),
      reader.spotPrices(o.now, o.signal),
    ]);
    return buildCatalogue({ types, zones, zoneIds, onDemand, spot });
  } finally {
    reader.close();
  }
};
