import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { Cloud, Reading } from '../cloud.ts';
import { type AwsFacts, buildCatalogue } from './catalogue.ts';
import type { KnownZones, ListedFacts } from './listprices.ts';
import { type AwsReader, isRefusedByEc2, RESERVATIONS_CALL } from './reader.ts';
import { keepCredentials } from './signed/credentials.ts';
import { createAwsQueue } from './sqs/queue.ts';
import { readManagedResource } from './zonalshift/managedresource.ts';
import { watchZonalShifts, type ZonalShiftOptions } from './zonalshift/watch.ts';
import { zonesIn } from './zonesinuse.ts';

export interface AwsOptions {
  readonly reader: AwsReader;
  /** List prices in these zones, for what AWS never told; without it there are none. */
  readonly table?: (zones: KnownZones) => ListedFacts | undefined;
  readonly region: string;
  /** Milliseconds between refreshes of instance types, zones and on-demand prices. */
  readonly pricesEveryMs: number;
  /** Milliseconds between refreshes of spot prices. */
  readonly spotEveryMs: number;
  /** Whether somebody may buy out of capacity reservations, undefined while nobody knows; without it none is read. */
  readonly usesReservations?: () => boolean | undefined;
  /** Milliseconds between refreshes of reservations. */
  readonly reservationsEveryMs?: number;
  /** How zonal shifts are read; without it none is heeded. */
  readonly zonalShift?: Pick<ZonalShiftOptions, 'clusterArn' | 'machines' | 'everyMs'> & {
    /** Where ARC zonal shift answers, if not where its region says. */
    readonly endpoint?: string;
  };
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

const RETRY_MS = 10_000;
/** Periods without a successful reading after which a part of the facts is overdue. */
const OVERDUE_PERIODS = 3;

const TYPES = 'instance types';
const ON_DEMAND = 'on-demand prices';
const SPOT = 'spot prices';
const PARTS = [TYPES, ON_DEMAND, SPOT] as const;
type Part = (typeof PARTS)[number];

/** Refreshes one part of the facts until the signal aborts; a failed read keeps the previous values. */
const refreshPeriodically = (
  what: Part,
  everyMs: number,
  fetch: () => Promise<void>,
  o: Pick<AwsOptions, 'log' | 'signal'>,
): void => {
  let timer: NodeJS.Timeout | undefined;
  const run = async (): Promise<void> => {
    let afterMs = everyMs;
    try {
      await fetch();
    } catch (error) {
      if (o.signal.aborted) return;
      afterMs = Math.min(RETRY_MS, everyMs);
      const reason = messageOf(error);
      o.log.warn({ what, reason }, 'could not read from the cloud, keeping the previous values');
    }
    if (!o.signal.aborted) timer = setTimeout(() => void run(), afterMs);
  };
  o.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  void run();
};

const RESERVATIONS_EVERY_MS = 60_000;
/** Delay of the next look while nobody knows whether somebody uses reservations. */
const UNKNOWN_USE_MS = 500;
/** Counts that are older say nothing any more. */
const RESERVATIONS_FOR_MS = 5 * 60_000;

/** Keeps what is left of reservations while somebody uses them, until the signal aborts. */
const watchReservations = (
  { reader, log, signal, usesReservations, reservationsEveryMs = RESERVATIONS_EVERY_MS }: AwsOptions,
  now: () => number,
  change: (known: AwsFacts['reservations']) => void,
): void => {
  if (!usesReservations) return;
  let known: AwsFacts['reservations'];
  let said: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const set = (next: AwsFacts['reservations']): void => {
    if (next === known) return;
    known = next;
    change(next);
  };
  const run = async (): Promise<void> => {
    let afterMs = reservationsEveryMs;
    try {
      const isUsed = usesReservations();
      if (isUsed === undefined) afterMs = Math.min(UNKNOWN_USE_MS, reservationsEveryMs);
      // What is launched while the call is under way may not be in its answer.
      const readAt = now();
      set(isUsed ? { list: await reader.reservations(signal), readAt } : undefined);
      said = undefined;
    } catch (error) {
      if (signal.aborted) return;
      afterMs = Math.min(RETRY_MS, reservationsEveryMs);
      if (known && now() - known.readAt > RESERVATIONS_FOR_MS) set(undefined);
      const reason = messageOf(error);
      if (reason !== said)
        log.warn(
          { reason, ...(isRefusedByEc2(error) && { right: RESERVATIONS_CALL }) },
          'capacity reservations could not be read, none is used',
        );
      said = reason;
    }
    if (!signal.aborted) timer = setTimeout(() => void run(), afterMs);
  };
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  void run();
};

/** AWS: instance types and prices, refreshed until the signal aborts. */
export const createAwsCloud = (o: AwsOptions): Cloud => {
  const { reader, signal } = o;
  const now = o.now ?? Date.now;
  const facts: { -readonly [K in keyof AwsFacts]: AwsFacts[K] } = {
    types: [],
    zones: new Map(),
    zoneIds: new Map(),
    onDemand: new Map(),
    spot: new Map(),
  };
  let catalogue: Catalogue | undefined;
  const lastRead = new Map<Part, { readonly at: number; readonly everyMs: number }>();
  const keep = (what: Part, everyMs: number, fetch: () => Promise<void>): void =>
    refreshPeriodically(
      what,
      everyMs,
      async () => {
        await fetch();
        lastRead.set(what, { at: now(), everyMs });
        catalogue = undefined;
      },
      o,
    );
  keep(TYPES, o.pricesEveryMs, async () => {
    const types = await reader.types(signal);
    const zones = await reader.zones(signal);
    Object.assign(facts, { types, zones, zoneIds: await reader.zoneIds(signal) });
  });
  keep(ON_DEMAND, o.pricesEveryMs, async () => {
    facts.onDemand = await reader.onDemandPrices(signal);
  });
  keep(SPOT, o.spotEveryMs, async () => {
    facts.spot = await reader.spotPrices(now(), signal);
  });
  watchReservations(o, now, (known) => {
    if (known) facts.reservations = known;
    else delete facts.reservations;
    catalogue = undefined;
  });
  const credentials = keepCredentials((asking) => reader.credentials(asking), now);
  const zonalShifts =
    o.zonalShift &&
    watchZonalShifts({
      ...o.zonalShift,
      findCluster: (providerIDs, asking) => reader.clusterArn(providerIDs, asking),
      read: readManagedResource({
        region: o.region,
        credentials,
        ...(o.zonalShift.endpoint && { endpoint: o.zonalShift.endpoint }),
      }),
      log: o.log,
      signal,
      now,
    });
  signal.addEventListener('abort', () => reader.close(), { once: true });
  const readings = (): Reading[] =>
    [...lastRead].map(([what, { at, everyMs }]) => ({
      what,
      readAt: at,
      isOverdue: now() - at > OVERDUE_PERIODS * everyMs,
    }));
  return {
    catalogue: async () => {
      if (PARTS.some((part) => !lastRead.has(part)))
        throw new Error('instance types and prices have not been read yet');
      catalogue ??= buildCatalogue(facts);
      return catalogue;
    },
    readings,
    listed: (cluster) => {
      const zones = lastRead.has(TYPES) ? facts.zoneIds : zonesIn(o.region, cluster);
      const table = o.table?.(zones);
      if (!table) return undefined;
      const { types, zones: sold, zoneIds, onDemand, spot } = table.facts;
      const missing = PARTS.filter((part) => !lastRead.has(part));
      const dates = { [TYPES]: table.spotDate, [ON_DEMAND]: table.onDemandDate, [SPOT]: table.spotDate };
      return {
        catalogue: buildCatalogue({
          ...facts,
          ...(missing.includes(TYPES) && { types, zones: sold, zoneIds }),
          ...(missing.includes(ON_DEMAND) && { onDemand }),
          ...(missing.includes(SPOT) && { spot }),
        }),
        readings: [
          ...readings(),
          ...missing.map((what) => ({
            what,
            readAt: Date.parse(dates[what]),
            isOverdue: true,
            isListed: true as const,
          })),
        ],
      };
    },
    nodeNames: (providerIDs) => reader.nodeNames(providerIDs, signal),
    placementScores: async (types, asking) => {
      const { zoneIds } = facts;
      if (zoneIds.size === 0) throw new Error('instance types and zones have not been read yet');
      const scores = await reader.placementScores(types, asking);
      return new Map(
        [...zoneIds].flatMap(([zone, id]) => {
          const score = scores.get(id);
          return score === undefined ? [] : [[zone, score] as const];
        }),
      );
    },
    ...(zonalShifts && { zonalShifts }),
    queue: (url) => createAwsQueue({ url, region: o.region, credentials }),
  };
};
