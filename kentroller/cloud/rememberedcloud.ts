import { Gauge, type Registry } from 'prom-client';
import type { Cloud, ListedCatalogue, Reading } from '../../cloud/cloud.ts';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { hasReservations } from '../../planner/model/offers/reservations.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import type { CatalogueStore, StoredCatalogue } from './cataloguestore.ts';

/** Least time between two saves: prices change every few minutes, and a save is 200 kB. */
const SAVE_EVERY_MS = 15 * 60_000;
const LOAD_RETRY_MS = 10_000;
/** Period in which the catalogue is looked at for changes to save, though no plan needs it. */
const LOOK_EVERY_MS = 60_000;
/** Age of a remembered catalogue from which plans say how old it is. */
const OVERDUE_MS = 60 * 60_000;
/** Time that the cloud has to answer before a table of list prices stands in for it. */
const LISTED_AFTER_MS = 2 * 60_000;
/** Period in which the table is read again: the zones of the cluster may be others. */
const LISTED_FOR_MS = 10 * 60_000;

const AGE = 'kentroller_prices_age_seconds';
const OVERDUE = 'kentroller_prices_overdue';

const registerAge = (registry: Registry, readings: () => readonly Reading[], now: () => number): void => {
  registry.removeSingleMetric(AGE);
  registry.removeSingleMetric(OVERDUE);
  new Gauge({
    name: AGE,
    help: 'Seconds since instance types and prices were read from the cloud',
    labelNames: ['what'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { what, readAt } of readings()) this.set({ what }, (now() - readAt) / 1000);
    },
  });
  new Gauge({
    name: OVERDUE,
    help: 'Whether instance types and prices should have been read from the cloud since',
    labelNames: ['what'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { what, isOverdue } of readings()) this.set({ what }, isOverdue ? 1 : 0);
    },
  });
};

/** What is left of reservations is old a minute later. */
const withoutReservations = (catalogue: Catalogue): Catalogue =>
  hasReservations(catalogue)
    ? {
        ...catalogue,
        instanceTypes: catalogue.instanceTypes.map((type) => ({
          ...type,
          offerings: type.offerings.filter(({ reservation }) => reservation === undefined),
        })),
      }
    : catalogue;

/**
 * A cloud whose last catalogue outlives the process: it is saved as it is read, and stands in while the cloud's API does
 * not answer a new leader; where there is none, list prices do. A cloud without readings does not age and is not saved.
 */
export const rememberCatalogue = (o: {
  readonly cloud: Cloud;
  readonly store: CatalogueStore;
  /** The cluster now, for whose zones list prices are wanted. */
  readonly cluster: () => Pick<Snapshot, 'nodes' | 'nodePools'>;
  readonly log: Logger;
  readonly now: () => number;
  readonly registry?: Registry;
  readonly signal: AbortSignal;
}): Cloud => {
  const { cloud, store, log, now, signal } = o;
  let saved: Catalogue | undefined;
  let savedAt = Number.NEGATIVE_INFINITY;
  let remembered: StoredCatalogue | undefined;
  let loading: Promise<void> | undefined;
  let loadedAt = Number.NEGATIVE_INFINITY;
  const startedAt = now();
  let listed: ListedCatalogue | undefined;
  let listedAt = Number.NEGATIVE_INFINITY;

  const save = async (catalogue: Catalogue, readAt: number): Promise<void> => {
    if (catalogue === saved || now() - savedAt < SAVE_EVERY_MS) return;
    [saved, savedAt] = [catalogue, now()];
    try {
      await store.save({ catalogue: withoutReservations(catalogue), readAt }, signal);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ reason: messageOf(error) }, 'could not save instance types and prices for the next leader');
    }
  };

  const load = async (): Promise<void> => {
    if (now() - loadedAt < LOAD_RETRY_MS) return;
    loadedAt = now();
    try {
      remembered = await store.load(signal);
      if (!remembered) return;
      const { readAt } = remembered;
      const ageSeconds = Math.round((now() - readAt) / 1000);
      log.info(
        { readAt: new Date(readAt).toISOString(), ageSeconds },
        'using instance types and prices of an earlier leader until the cloud answers',
      );
    } catch (error) {
      if (signal.aborted) return;
      log.warn(
        { reason: messageOf(error) },
        'instance types and prices of an earlier leader could not be read',
      );
    }
  };

  const list = (): ListedCatalogue | undefined => {
    if (now() - startedAt < LISTED_AFTER_MS || now() - listedAt < LISTED_FOR_MS) return listed;
    const isFirst = !listed;
    listed = cloud.listed?.(o.cluster());
    // A table without types in these zones is asked again: there may be no nodes yet.
    if (listed?.catalogue.instanceTypes.length === 0) listed = undefined;
    if (!listed) return undefined;
    listedAt = now();
    if (isFirst)
      log.warn(
        { what: listed.readings.flatMap(({ what, isListed }) => (isListed ? [what] : [])) },
        'the cloud does not answer, list prices count until it does',
      );
    return listed;
  };

  const readings = (): readonly Reading[] => {
    if (listed) return listed.readings;
    if (!remembered) return cloud.readings?.() ?? [];
    const { readAt } = remembered;
    return [{ what: 'instance types and prices', readAt, isOverdue: now() - readAt > OVERDUE_MS }];
  };
  if (o.registry) registerAge(o.registry, readings, now);

  const read = async (): Promise<Catalogue> => {
    try {
      const catalogue = await cloud.catalogue();
      remembered = undefined;
      listed = undefined;
      const times = (cloud.readings?.() ?? []).map(({ readAt }) => readAt);
      if (times.length > 0) void save(catalogue, Math.min(...times));
      return catalogue;
    } catch (error) {
      if (!remembered) {
        loading ??= load().finally(() => {
          loading = undefined;
        });
        await loading;
      }
      const stored = remembered ?? list();
      if (!stored) throw error;
      return stored.catalogue;
    }
  };
  const look = (): void => void read().catch(() => {});
  const timer = setInterval(look, LOOK_EVERY_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  look();

  return { ...cloud, readings, catalogue: read };
};

const joined = (words: readonly string[]): string => new Intl.ListFormat('en').format(words);

/** Why the prices are too rough to buy by without being asked, as a sentence; undefined where the cloud told them. */
export const listPricesWarning = (readings: readonly Reading[]): string | undefined => {
  const listed = readings.filter(({ isListed }) => isListed);
  if (listed.length === 0) return undefined;
  const days = new Set(listed.map(({ readAt }) => new Date(readAt).toISOString().slice(0, 10)));
  return `The cloud never told its ${joined(listed.map(({ what }) => what))}, so list prices of ${joined([...days])} count`;
};

/** What is known to be old about the catalogue, as a sentence; undefined when nothing is. `now` in milliseconds. */
export const priceWarning = (readings: readonly Reading[], now: number): string | undefined => {
  const told = listPricesWarning(readings);
  if (told !== undefined) return told;
  const overdue = readings.filter(({ isOverdue }) => isOverdue).sort((a, b) => a.readAt - b.readAt);
  const [oldest] = overdue;
  if (!oldest) return undefined;
  const hours = Math.max(0.1, Math.round((now - oldest.readAt) / 360_000) / 10);
  return `The cloud has not answered for ${hours} h, and ${oldest.what} may have changed since`;
};
