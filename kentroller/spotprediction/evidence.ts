import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { refusalsLeft } from '../rebalanceplan/create/unavailable.ts';
import { offeringKey } from './memory.ts';
import type { Evidence } from './model.ts';
import { type Heard, heardBy, INTERRUPTIONS, markOf, mergeHeard, type Signal } from './signal.ts';
import type { WatchedNode } from './source.ts';

/** Time after which an interruption of an offering is worth half as a sign of others. */
const INTERRUPTION_HALF_LIFE_MS = 60 * 60_000;
/** Time after which a new price counts half of the usual one. */
const PRICE_HALF_LIFE_MS = 6 * 60 * 60_000;
const MOST_OFFERINGS = 1_000;

interface Decayed {
  readonly value: number;
  readonly at: number;
}

const decayed = ({ value, at }: Decayed, now: number, halfLifeMs: number): number =>
  value * 2 ** (-Math.max(0, now - at) / halfLifeMs);

/** What a history holds: offerings with numbers that fade, machines with when their interruption was counted. */
export interface HistoryState {
  readonly interruptions: readonly (readonly [offering: string, value: number, at: number])[];
  readonly counted: readonly (readonly [machine: string, at: number])[];
  readonly usualPrices: readonly (readonly [offering: string, value: number, at: number])[];
}

const flat = (map: ReadonlyMap<string, Decayed>): HistoryState['usualPrices'] =>
  [...map].map(([key, { value, at }]) => [key, value, at]);

/** Puts older entries before those of a map, of which the newest stay. */
const putBefore = <T>(own: Map<string, T>, older: readonly (readonly [string, T])[]): void => {
  const all = [...older.filter(([key]) => !own.has(key)), ...own].slice(-MOST_OFFERINGS);
  own.clear();
  for (const [key, value] of all) own.set(key, value);
};

/** What the offerings' past says of their nodes; numbers that fade, in memory of fixed size. */
export class OfferingHistory {
  readonly #interruptions = new Map<string, Decayed>();
  readonly #counted = new Map<string, number>();
  readonly #usualPrices = new Map<string, Decayed>();

  /** The oldest first. */
  state(): HistoryState {
    return {
      interruptions: flat(this.#interruptions),
      counted: [...this.#counted],
      usualPrices: flat(this.#usualPrices),
    };
  }

  /** Takes over what another one held, as older than its own; what this one knows already counts more. */
  restore({ interruptions, counted, usualPrices }: HistoryState): void {
    const numbers = (list: HistoryState['usualPrices']) =>
      list.map(([key, value, at]) => [key, { value, at }] as const);
    putBefore(this.#interruptions, numbers(interruptions));
    putBefore(this.#usualPrices, numbers(usualPrices));
    putBefore(this.#counted, counted);
  }

  /** Counts an interruption of a machine once, whoever tells of it and however often. */
  interrupted(offering: string, machine: string, at: number): void {
    if (this.#counted.has(machine)) return;
    this.#counted.set(machine, at);
    const before = this.#interruptions.get(offering);
    const value = (before ? decayed(before, at, INTERRUPTION_HALF_LIFE_MS) : 0) + 1;
    this.#interruptions.delete(offering);
    this.#interruptions.set(offering, { value, at });
    for (const map of [this.#counted, this.#interruptions]) {
      const [oldest] = map.keys();
      if (map.size > MOST_OFFERINGS && oldest !== undefined) map.delete(oldest);
    }
  }

  interruptionsOf(offering: string, now: number): number {
    const known = this.#interruptions.get(offering);
    return known ? decayed(known, now, INTERRUPTION_HALF_LIFE_MS) : 0;
  }

  /** By how much a price is above the usual one, which then moves towards it. */
  riseOf(offering: string, price: number, now: number): number {
    const before = this.#usualPrices.get(offering);
    const share = before ? 1 - 2 ** (-Math.max(0, now - before.at) / PRICE_HALF_LIFE_MS) : 1;
    const usual = before ? before.value + (price - before.value) * share : price;
    this.#usualPrices.delete(offering);
    this.#usualPrices.set(offering, { value: usual, at: now });
    const [oldest] = this.#usualPrices.keys();
    if (this.#usualPrices.size > MOST_OFFERINGS && oldest !== undefined) this.#usualPrices.delete(oldest);
    return usual > 0 ? Math.max(0, price / usual - 1) : 0;
  }
}

/** Spot prices by offering, 'type/zone'. */
export const spotPrices = (
  catalogue: Catalogue,
  offerings: ReadonlySet<string>,
): ReadonlyMap<string, number> => {
  const prices = new Map<string, number>();
  for (const { name, offerings: all } of catalogue.instanceTypes) {
    for (const { zone, capacityType, price } of all) {
      const key = `${name}/${zone}`;
      if (capacityType === 'spot' && offerings.has(key)) prices.set(key, price);
    }
  }
  return prices;
};

/** Refusals that still count, by offering; one without a zone counts for none. */
const refusalsOf = (unavailable: readonly UnavailableOffering[], now: number): ReadonlyMap<string, number> =>
  new Map(
    unavailable
      .filter(({ spec }) => spec.reason === 'InsufficientCapacityError' && spec.capacityType === 'spot')
      .map((record) => [`${record.spec.instanceType}/${record.spec.zone}`, refusalsLeft(record, now)]),
  );

/** What is known of each node and its offering, by the node's name. */
export const gatherEvidence = (o: {
  readonly nodes: readonly WatchedNode[];
  readonly signals: readonly Signal[];
  readonly unavailable: readonly UnavailableOffering[];
  readonly prices: ReadonlyMap<string, number>;
  readonly history: OfferingHistory;
  /** The spot placement score of an offering, 'type/zone'; undefined where nobody knows it. */
  readonly scoreOf: (offering: string) => number | undefined;
  readonly now: number;
}): ReadonlyMap<string, Evidence> => {
  const { history, now } = o;
  const heardOf = new Map<string, Heard>();
  for (const { node, kind, at } of o.signals) {
    heardOf.set(node, mergeHeard(heardOf.get(node) ?? {}, { [kind]: at }));
  }
  const watched = o.nodes.map(({ node }) => {
    const told = heardBy(heardOf.get(node.metadata.name) ?? {}, now);
    const heard = mergeHeard(told, markOf(node, now)?.heard ?? {});
    const offering = offeringKey(node);
    const ends = [...INTERRUPTIONS].flatMap((kind) => heard[kind] ?? []);
    if (offering !== undefined && ends.length > 0) {
      history.interrupted(offering, node.metadata.uid ?? node.metadata.name, Math.min(...ends));
    }
    return { node, heard, offering };
  });
  const refusals = refusalsOf(o.unavailable, now);
  const rises = new Map([...o.prices].map(([key, price]) => [key, history.riseOf(key, price, now)]));
  return new Map(
    watched.map(({ node, heard, offering = '' }) => {
      const placementScore = o.scoreOf(offering);
      const evidence: Evidence = {
        heard,
        interruptions: history.interruptionsOf(offering, now),
        refusals: refusals.get(offering) ?? 0,
        priceRise: rises.get(offering) ?? 0,
        ...(placementScore !== undefined && { placementScore }),
      };
      return [node.metadata.name, evidence];
    }),
  );
};
