import { EC2Client } from '@aws-sdk/client-ec2';
import { PricingClient } from '@aws-sdk/client-pricing';
import { type MachineType, readCatalogue } from '../catalogue/catalogue.ts';
import { locateCatalogue } from '../catalogue/locate.ts';
import { createAwsListener, listen } from '../endpoint.ts';
import { createRegion, type Region } from '../region.ts';

export const ZONES = ['us-west-2a', 'us-west-2b', 'us-west-2c'];

/** A separate region on loopback, with AWS's own clients and a clock that a test moves. */
export interface TestRegion {
  readonly region: Region;
  readonly url: string;
  readonly ec2: EC2Client;
  readonly pricing: PricingClient;
  readonly clock: { now: number };
  close(): Promise<void>;
}

export const readTypes = async (): Promise<ReadonlyMap<string, MachineType>> =>
  readCatalogue(await locateCatalogue(), ZONES);

export const startTestRegion = async (
  types: ReadonlyMap<string, MachineType>,
  options: { readonly seed?: number; readonly shouldReuseAddresses?: boolean } = {},
): Promise<TestRegion> => {
  const clock = { now: Date.parse('2026-11-22T12:00:00Z') };
  const region = createRegion({
    name: 'us-west-2',
    zones: ZONES,
    types,
    cluster: {
      name: 'ground',
      endpoint: 'https://127.0.0.1:6443',
      version: '1.36',
      serviceCidr: '10.0.0.0/24',
      certificateAuthority: '',
    },
    seed: options.seed ?? 1,
    now: () => clock.now,
    shouldReuseAddresses: options.shouldReuseAddresses ?? false,
  });
  const { url, close } = await listen(createAwsListener(region), '127.0.0.1', 0);
  const client = {
    region: 'us-west-2',
    endpoint: url,
    credentials: { accessKeyId: 'ground', secretAccessKey: 'ground' },
    maxAttempts: 1,
  };
  const ec2 = new EC2Client(client);
  const pricing = new PricingClient(client);
  return {
    region,
    url,
    ec2,
    pricing,
    clock,
    close: async () => {
      ec2.destroy();
      pricing.destroy();
      await close();
    },
  };
};
