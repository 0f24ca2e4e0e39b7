import { createHash } from 'node:crypto';
import { Registry } from 'prom-client';
import t, { type Test } from 'tap';
import type { Cloud, ListedCatalogue } from '../../cloud/cloud.ts';
import { createLogger } from '../../kube/component/log.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { NOW, offerings, PRICES } from '../testing/builders.ts';
import {
  type CatalogueStore,
  packCatalogue,
  type StoredCatalogue,
  unpackCatalogue,
} from './cataloguestore.ts';
import { listPricesWarning, priceWarning, rememberCatalogue } from './rememberedcloud.ts';

const { catalogue } = offerings(PRICES);
const MINUTE = 60_000;

interface Scene {
  readonly cloud: Cloud;
  readonly store: CatalogueStore & { stored: StoredCatalogue | undefined; saves: number };
  readonly registry: Registry;
  answers: boolean;
  /** What a table of list prices has, or nothing. */
  listed: ListedCatalogue | undefined;
  now: number;
}

const begin = (t: Test, stored?: StoredCatalogue): Scene => {
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  const store = {
    stored,
    saves: 0,
    load: async () => store.stored,
    save: async (next: StoredCatalogue) => {
      store.saves += 1;
      store.stored = next;
    },
  };
  const registry = new Registry();
  const scene: Scene = {
    store,
    registry,
    answers: false,
    listed: undefined,
    now: NOW,
    cloud: undefined as unknown as Cloud,
  };
  let current: Catalogue = catalogue;
  const cloud: Cloud = {
    catalogue: async () => {
      if (!scene.answers) throw new Error('instance types and prices have not been read yet');
      current = { ...current };
      return current;
    },
    readings: () =>
      scene.answers ? [{ what: 'spot prices', readAt: scene.now - MINUTE, isOverdue: false }] : [],
    listed: () => scene.listed,
    nodeNames: async () => new Map(),
  };
  const cluster = () => ({ nodes: [], nodePools: [] });
  const log = createLogger({ component: 'remembered-test', level: 'silent' });
  const now = (): number => scene.now;
  return Object.assign(scene, {
    cloud: rememberCatalogue({ cloud, store, cluster, log, now, registry, signal: stopping.signal }),
  });
};

/** Parts by what the metric says of them, for alerts. */
const overdueOf = async (scene: Scene): Promise<unknown> =>
  (await scene.registry.getSingleMetric('kentroller_prices_overdue')?.get())?.values.map(
    ({ labels, value }) => [labels.what, value],
  );

t.test('a new leader begins with the prices of the one before while the cloud does not answer', async (t) => {
  const scene = begin(t, { catalogue, readAt: NOW - 3 * 3_600_000 });
  t.same(await scene.cloud.catalogue(), catalogue);
  t.match(priceWarning(scene.cloud.readings?.() ?? [], NOW), /not answered for 3 h/);
  const age = await scene.registry.getSingleMetric('kentroller_prices_age_seconds')?.get();
  t.equal(age?.values[0]?.value, 3 * 3600);
  t.same(await overdueOf(scene), [['instance types and prices', 1]]);
});

t.test('prices of a moment ago need no warning', async (t) => {
  const scene = begin(t, { catalogue, readAt: NOW - 10 * MINUTE });
  await scene.cloud.catalogue();
  t.equal(priceWarning(scene.cloud.readings?.() ?? [], NOW), undefined);
  t.same(await overdueOf(scene), [['instance types and prices', 0]]);
});

t.test('without prices of an earlier leader it says that there are none', async (t) => {
  const scene = begin(t);
  await t.rejects(scene.cloud.catalogue(), /have not been read yet/);
  scene.store.stored = { catalogue, readAt: NOW };
  await t.rejects(
    scene.cloud.catalogue(),
    /have not been read yet/,
    'it looks again later, not at each call',
  );
  scene.now += MINUTE;
  t.same(await scene.cloud.catalogue(), catalogue);
});

const LISTED: ListedCatalogue = {
  catalogue: { instanceTypes: catalogue.instanceTypes.slice(0, 1) },
  readings: [
    { what: 'spot prices', readAt: NOW, isOverdue: false },
    ...['instance types', 'on-demand prices'].map((what) => ({
      what,
      readAt: Date.parse('2025-05-28'),
      isOverdue: true,
      isListed: true as const,
    })),
  ],
};

t.test('list prices stand in where nobody told any, two minutes on, until the cloud answers', async (t) => {
  const scene = begin(t);
  scene.listed = LISTED;
  const told = (): string | undefined => listPricesWarning(scene.cloud.readings?.() ?? []);
  await t.rejects(scene.cloud.catalogue(), /have not been read yet/, 'the cloud is given time');
  scene.now += 2 * MINUTE;
  t.same(await scene.cloud.catalogue(), LISTED.catalogue);
  t.equal(
    told(),
    'The cloud never told its instance types and on-demand prices, so list prices of 2025-05-28 count',
  );
  t.equal(priceWarning(scene.cloud.readings?.() ?? [], scene.now), told());
  t.equal(scene.store.saves, 0, 'and are not kept for the next leader');
  scene.answers = true;
  t.same(await scene.cloud.catalogue(), catalogue);
  t.equal(told(), undefined);
});

t.test('prices of an earlier leader go before list prices', async (t) => {
  const scene = begin(t, { catalogue, readAt: NOW });
  scene.listed = LISTED;
  scene.now += 5 * MINUTE;
  t.same(await scene.cloud.catalogue(), catalogue);
  t.equal(listPricesWarning(scene.cloud.readings?.() ?? []), undefined);
});

t.test('a table without types for the zones of the cluster is no catalogue', async (t) => {
  const scene = begin(t);
  scene.listed = { ...LISTED, catalogue: { instanceTypes: [] } };
  scene.now += 5 * MINUTE;
  await t.rejects(scene.cloud.catalogue(), /have not been read yet/);
  scene.listed = LISTED;
  t.same(await scene.cloud.catalogue(), LISTED.catalogue, 'it is asked again as nodes come');
});

t.test('once the cloud answers its prices count, and are saved now and then', async (t) => {
  const scene = begin(t, { catalogue: { instanceTypes: [] }, readAt: NOW - MINUTE });
  t.same(await scene.cloud.catalogue(), { instanceTypes: [] });
  scene.answers = true;
  t.same(await scene.cloud.catalogue(), catalogue);
  await scene.cloud.catalogue();
  t.equal(scene.store.saves, 1);
  t.equal(scene.store.stored?.readAt, NOW - MINUTE);
  scene.now += 16 * MINUTE;
  await scene.cloud.catalogue();
  t.equal(scene.store.saves, 2);
});

t.test('a packed catalogue is the same again, and a broken one is refused', async (t) => {
  const whole: Catalogue = {
    instanceTypes: catalogue.instanceTypes.map((type) => ({
      ...type,
      offerings: type.offerings.map((each) => ({ ...each, zoneId: 'usw2-az1' })),
    })),
    commitments: [{ unit: 'hourly', amount: 2 }],
  };
  t.same(await unpackCatalogue(await packCatalogue(whole)), whole);
  await t.rejects(unpackCatalogue('bm90aGluZw=='));
});

t.test('a catalogue that a ConfigMap cannot hold is not saved', async (t) => {
  const [type] = catalogue.instanceTypes;
  const names = Array.from({ length: 30_000 }, (_, i) =>
    createHash('sha256').update(String(i)).digest('hex'),
  );
  const huge = { instanceTypes: names.flatMap((name) => (type ? [{ ...type, name }] : [])) };
  await t.rejects(packCatalogue(huge), /more than 900000/);
});
