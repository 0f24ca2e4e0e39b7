import type { UnpricedType } from './instancetypes.ts';
import type { OnDemandPrices, SpotPrices } from './prices.ts';

/** What is read from AWS, each part by itself. Calls throw what went wrong with the cloud or on the way to it. */
export interface AwsReader {
  types(signal: AbortSignal): Promise<readonly UnpricedType[]>;
  /** Zones in which each type is sold. */
  zones(signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Zone ids by zone. */
  zoneIds(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  onDemandPrices(signal: AbortSignal): Promise<OnDemandPrices>;
  /** `now` in milliseconds since 1970. */
  spotPrices(now: number, signal: AbortSignal): Promise<SpotPrices>;
  /** Names of Nodes by provider id; ids that the cloud does not know are left out. */
  names(providerIDs: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  close(): void;
}

export interface ReaderOptions {
  readonly region: string;
  /** Share of a machine's memory that the hypervisor takes, 0 to 1. */
  readonly vmMemoryOverhead: number;
}
