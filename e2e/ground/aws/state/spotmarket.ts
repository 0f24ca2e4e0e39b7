import type { MachineType } from '../catalogue/catalogue.ts';
import { unitOf } from '../random.ts';

export interface SpotPrice {
  /** USD per hour. */
  readonly price: number;
  /** Since when, in milliseconds since 1970. */
  readonly since: number;
}

/** Spot prices and depths: each type in each zone is a pool of its own. They follow from seed and time alone. */
export interface SpotMarket {
  setSeed(seed: number): void;
  priceAt(type: MachineType, zone: string, at: number): SpotPrice;
  /** Prices of a period, the one in force at its start included, newest first. */
  history(type: MachineType, zone: string, from: number, to: number): readonly SpotPrice[];
  /** Share of a type's capacity left in a zone, 0 to 1: AWS's strategies use it, and no API shows it. */
  depth(type: MachineType, zone: string): number;
}

/** Interval between price changes of a pool; AWS's prices change a few times a day. */
const PRICE_PERIOD_MS = 6 * 3_600_000;

/** Spot prices lie between these shares of the on-demand price. */
const LOWEST_SHARE = 0.25;
const HIGHEST_SHARE = 0.65;
/** Largest move of a price around its pool's own level, as a share. */
const SWING = 0.15;

const roundUp = (price: number): number => Math.ceil(price * 10_000) / 10_000;

export const createSpotMarket = (initialSeed: number, now: () => number): SpotMarket => {
  let seed = initialSeed;

  // Pools change at different times of the day, as on AWS.
  const epochAt = (type: MachineType, zone: string, at: number): { epoch: number; since: number } => {
    const offset = Math.floor(unitOf(seed, 'offset', type.name, zone) * PRICE_PERIOD_MS);
    const epoch = Math.floor((at - offset) / PRICE_PERIOD_MS);
    return { epoch, since: epoch * PRICE_PERIOD_MS + offset };
  };

  const priceAt = (type: MachineType, zone: string, at: number): SpotPrice => {
    const { epoch, since } = epochAt(type, zone, at);
    const level = LOWEST_SHARE + (HIGHEST_SHARE - LOWEST_SHARE) * unitOf(seed, 'level', type.name, zone);
    const noise = (each: number): number => unitOf(seed, 'price', type.name, zone, each) * 2 - 1;
    const swing = 1 + (SWING * (noise(epoch) + noise(epoch - 1))) / 2;
    return { price: roundUp(type.onDemandPrice * level * swing), since };
  };

  return {
    setSeed: (next) => {
      seed = next;
    },
    priceAt,
    history: (type, zone, from, to) => {
      const prices: SpotPrice[] = [];
      for (let at = to; ; ) {
        const price = priceAt(type, zone, at);
        prices.push(price);
        if (price.since <= from) return prices;
        at = price.since - 1;
      }
    },
    depth: (type, zone) => unitOf(seed, 'depth', type.name, zone, epochAt(type, zone, now()).epoch),
  };
};
