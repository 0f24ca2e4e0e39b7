import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { Cloud, Reading } from '../cloud.ts';
import { type AwsFacts, buildCatalogue } from './catalogue.ts';
import type { AwsReader } from './reader.ts';

export interface AwsOptions {
  readonly reader: AwsReader;
  /** Milliseconds between refreshes of instance types, zones and on-demand prices. */
  readonly pricesEveryMs: number;
  /** Milliseconds between refreshes of spot prices. */
  readonly spotEveryMs: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

const RETRY_MS = 10_000;
/** Periods without a successful reading after which a part of the facts is overdue. */
const OVERDUE_PERIODS = 3;

/** Refreshes one part of the facts until the signal aborts; a failed read keeps the previous values. */
const refreshPeriodically = (
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
      const reason = messageOf(error);
      o.log.warn({ what, reason }, 'could not read from the cloud, keeping the previous values');
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
  const lastRead = new Map<string, { readonly at: number; readonly everyMs: number }>();
  const noteRead = (what: string, everyMs: number): void => {
    lastRead.set(what, { at: now(), everyMs });
    catalogue = undefined;
  };
  const types = refreshPeriodically(
    'instance types',
    o.pricesEveryMs,
    async () => {
      facts.types = await reader.types(signal);
      facts.zones = await reader.zones(signal);
      facts.zoneIds = await reader.zoneIds(signal);
      noteRead('instance types', o.pricesEveryMs);
    },
    o,
  );
  const onDemand = refreshPeriodically(
    'on-demand prices',
    o.pricesEveryMs,
    async () => {
      facts.onDemand = await reader.onDemandPrices(signal);
      noteRead('on-demand prices', o.pricesEveryMs);
    },
    o,
  );
  const spot = refreshPeriodically(
    'spot prices',
    o.spotEveryMs,
    async () => {
      facts.spot = await reader.spotPrices(now(), signal);
      noteRead('spot prices', o.spotEveryMs);
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
  signal.addEventListener('abort', () => reader.close(), { once: true });
  return {
    catalogue: async () => {
      if (!isReady) throw new Error('instance types and prices have not been read yet');
      catalogue ??= buildCatalogue(facts);
      return catalogue;
    },
    readings: () =>
      [...lastRead].map(
        ([what, { at, everyMs }]): Reading => ({
          what,
          readAt: at,
          isOverdue: now() - at > OVERDUE_PERIODS * everyMs,
        }),
      ),
    nodeNames: (providerIDs) => reader.nodeNames(providerIDs, signal),
  };
};
