import { EC2Client } from '@aws-sdk/client-ec2';
import { PricingClient } from '@aws-sdk/client-pricing';
import type { Logger } from '../../kube/log.ts';
import type { Catalogue } from '../../planner/catalogue.ts';
import { assemble, type CloudFacts } from './assemble.ts';
import type { Cloud } from './cloud.ts';
import { fetchTypes, fetchZoneIds, fetchZones } from './instancetypes.ts';
import { fetchNames } from './names.ts';
import { fetchOnDemandPrices, fetchSpotPrices } from './prices.ts';

export interface AwsOptions {
  readonly region: string;
  /** Milliseconds between refreshes of types, zones and on-demand prices. */
  readonly pricesEveryMs: number;
  readonly spotEveryMs: number;
  /** Share of a machine's memory that the hypervisor takes, 0 to 1. */
  readonly vmMemoryOverhead: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly now?: () => number;
  /** Clients of their own, for tests; made from the environment when left out. */
  readonly ec2?: EC2Client;
  readonly pricing?: PricingClient;
}

const RETRY_MS = 10_000;
/** The price list is served from a few regions only. */
const PRICING_REGION = 'us-east-1';

/** Keeps one part of the facts fresh; the last good one stays when the cloud does not answer. */
const keepFresh = (
  what: string,
  everyMs: number,
  fetch: () => Promise<void>,
  o: Pick<AwsOptions, 'log' | 'signal'>,
): Promise<void> => {
  const first = Promise.withResolvers<void>();
  first.promise.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  const run = async (): Promise<void> => {
    let afterMs = everyMs;
    try {
      await fetch();
      first.resolve();
    } catch (error) {
      if (o.signal.aborted) return;
      afterMs = Math.min(RETRY_MS, everyMs);
      const reason = error instanceof Error ? error.message : String(error);
      o.log.warn({ what, reason }, 'cloud did not answer, keeping what is known');
    }
    if (!o.signal.aborted) timer = setTimeout(() => void run(), afterMs);
  };
  o.signal.addEventListener(
    'abort',
    () => {
      clearTimeout(timer);
      first.reject(o.signal.reason);
    },
    { once: true },
  );
  void run();
  return first.promise;
};

/** EC2 and its price list, from the region and endpoint that the environment names; refreshed until the signal aborts. */
export const createAwsCloud = (o: AwsOptions): Cloud => {
  const ec2 = o.ec2 ?? new EC2Client({ region: o.region, maxAttempts: 5 });
  const pricing = o.pricing ?? new PricingClient({ region: PRICING_REGION, maxAttempts: 5 });
  const now = o.now ?? Date.now;
  const facts: { -readonly [K in keyof CloudFacts]: CloudFacts[K] } = {
    types: [],
    zones: new Map(),
    zoneIds: new Map(),
    onDemand: new Map(),
    spot: new Map(),
  };
  let catalogue: Catalogue | undefined;
  const changed = (): void => {
    catalogue = undefined;
  };
  const types = keepFresh(
    'instance types',
    o.pricesEveryMs,
    async () => {
      facts.types = await fetchTypes(ec2, o.region, o.vmMemoryOverhead, o.signal);
      facts.zones = await fetchZones(ec2, o.signal);
      facts.zoneIds = await fetchZoneIds(ec2, o.signal);
      changed();
    },
    o,
  );
  const onDemand = keepFresh(
    'on-demand prices',
    o.pricesEveryMs,
    async () => {
      facts.onDemand = await fetchOnDemandPrices(pricing, o.region, o.signal);
      changed();
    },
    o,
  );
  const spot = keepFresh(
    'spot prices',
    o.spotEveryMs,
    async () => {
      facts.spot = await fetchSpotPrices(ec2, now(), o.signal);
      changed();
    },
    o,
  );
  const ready = Promise.all([types, onDemand, spot]).then(() => true);
  ready.catch(() => {});
  let isReady = false;
  ready.then(
    () => {
      isReady = true;
    },
    () => {},
  );
  o.signal.addEventListener(
    'abort',
    () => {
      ec2.destroy();
      pricing.destroy();
    },
    { once: true },
  );
  return {
    catalogue: async () => {
      if (!isReady) throw new Error('instance types and prices were not read yet');
      catalogue ??= assemble(facts);
      return catalogue;
    },
    nodeNames: (providerIDs) => fetchNames(ec2, providerIDs, o.signal),
  };
};
