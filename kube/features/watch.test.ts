import { Registry } from 'prom-client';
import t from 'tap';
import { CONFIG_KEY, FEATURES_LABEL, type Features } from '../../api/features.ts';
import { CONFIG_MAPS, EVENTS, NAMESPACES } from '../../api/resources.ts';
import { connect } from '../client/client.ts';
import { createLogger } from '../component/log.ts';
import { createRecorder } from '../controller/events.ts';
import { isNotFound } from '../errors.ts';
import { until } from '../testing/until.ts';
import { createConfigMapCaches } from './configmaps.ts';
import { createFeatureRecord, type FeatureRecord } from './record.ts';
import { type LiveFeatures, watchFeatures } from './watch.ts';

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'features-test' });
const namespace = `features-${process.pid}`;
const other = `${namespace}-other`;
const log = createLogger({ component: 'features-test', level: 'silent' });
const DYNAMIC = 'dynamic';
const SOON = { timeoutMs: 10_000, everyMs: 50 };

t.before(async () => {
  for (const name of [namespace, other]) await client.create(NAMESPACES, { metadata: { name } });
});
t.teardown(async () => {
  for (const name of [namespace, other]) await client.delete(NAMESPACES, { name }).catch(() => undefined);
  client.close();
});

interface Life {
  readonly features: LiveFeatures;
  readonly record: FeatureRecord;
  readonly registry: Registry;
  readonly received: Features[];
  end(): Promise<void>;
}

/** One leader's life, from empty caches to its end. */
const live = async (): Promise<Life> => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const caches = createConfigMapCaches({ client, log, namespaces: [namespace, other], name: DYNAMIC });
  for (const cache of caches) cache.start(signal);
  await Promise.all(caches.map((cache) => cache.synced(signal)));
  const record = createFeatureRecord({ client, namespace, log });
  const recorder = createRecorder({ client, component: 'features-test', log });
  const registry = new Registry();
  const features = await watchFeatures({
    caches,
    name: DYNAMIC,
    record,
    recorder,
    log,
    signal,
    metrics: registry,
  });
  const received: Features[] = [];
  features.onChange((now) => received.push(now));
  return {
    features,
    record,
    registry,
    received,
    end: async () => {
      await Promise.all([recorder.flush(), record.saved()]);
      stopping.abort();
    },
  };
};

const put = async (
  name: string,
  data: Record<string, string>,
  o: { readonly in?: string; readonly labels?: Record<string, string> } = {},
): Promise<void> => {
  const ref = { name, namespace: o.in ?? namespace };
  await client.delete(CONFIG_MAPS, ref).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  await client.create(CONFIG_MAPS, { metadata: { ...ref, labels: o.labels ?? {} }, data });
};

const change = (name: string, data: Record<string, string | null>): Promise<unknown> =>
  client.patch(CONFIG_MAPS, { name, namespace }, { data });

const becomes = (life: Life, what: string, is: (now: Features) => boolean): Promise<unknown> =>
  until(what, () => is(life.features.current()), SOON);

const eventOf = (name: string, reason: string): Promise<string> =>
  until(
    `event ${reason} of ${name}`,
    async () => {
      const { items } = await client.list(EVENTS, {
        namespace,
        fieldSelector: `involvedObject.name=${name},reason=${reason}`,
      });
      return items.at(-1)?.message;
    },
    SOON,
  );

t.test('features are turned on and off, tuned and broken, without a restart and across one', async (t) => {
  let life = await live();
  t.teardown(() => life.end());
  t.same(life.features.current(), {}, 'there is no ConfigMap yet');

  await put(DYNAMIC, { [CONFIG_KEY]: 'continuousRebalancing: {enabled: true, savingsThresholdPercent: 10}' });
  await becomes(life, 'on', (f) => f.continuousRebalancing?.enabled === true);
  await change(DYNAMIC, {
    [CONFIG_KEY]: 'continuousRebalancing: {enabled: true, savingsThresholdPercent: "20"}',
  });
  await becomes(life, 'tuned', (f) => f.continuousRebalancing?.savingsThresholdPercent === 20);
  await change(DYNAMIC, { [CONFIG_KEY]: 'rebalancer: {enabled: false}\nrebalncer: {enabled: true}' });
  await becomes(life, 'off', (f) => f.rebalancer?.enabled === false && !f.continuousRebalancing);
  t.match(await eventOf(DYNAMIC, 'FeaturesUnknown'), /rebalncer/);
  t.same(life.received.at(-1), { rebalancer: { enabled: false } }, 'subscribers receive the features');

  const before = life.received.length;
  await change(DYNAMIC, { [CONFIG_KEY]: 'rebalancer: {enabled: maybe}' });
  t.match(await eventOf(DYNAMIC, 'FeaturesInvalid'), /last valid one stays in force: rebalancer\.enabled/);
  t.same(life.features.current(), { rebalancer: { enabled: false } });
  t.equal(life.received.length, before, 'subscribers receive nothing when nothing changes');
  t.match(await life.registry.metrics(), /kentroller_features_valid\{namespace="[^"]+",name="dynamic"\} 0/);

  await life.end();
  const record = await client.get(CONFIG_MAPS, { name: 'castai-kentroller-features', namespace });
  t.match(record.data?.['effective.yaml'], /rebalancer:\n {2}enabled: false/);
  t.match(record.data?.problems, /dynamic: rebalancer\.enabled/);
  life = await live();
  t.same(
    life.features.current(),
    { rebalancer: { enabled: false } },
    'the next leader has the last valid one too',
  );

  await change(DYNAMIC, { [CONFIG_KEY]: 'rebalancer: {enabled: true}' });
  await becomes(life, 'on again', (f) => f.rebalancer?.enabled === true);
  await client.delete(CONFIG_MAPS, { name: DYNAMIC, namespace });
  await becomes(life, 'back to the defaults', (f) => f.rebalancer === undefined);
  t.notMatch(await life.registry.metrics(), /name="dynamic"/);
});

t.test('labelled ConfigMaps of every watched namespace count, others do not', async (t) => {
  const life = await live();
  t.teardown(() => life.end());
  const labels = { [FEATURES_LABEL]: 'true' };
  await put('unrelated', { 'podPinner.enabled': 'false' });
  await put('team', { 'nodeConsolidation.enabled': 'true' }, { in: other, labels });
  await becomes(life, 'the labelled ConfigMap counts', (f) => f.nodeConsolidation?.enabled === true);
  t.equal(life.features.current().podPinner, undefined);
  await put(DYNAMIC, { 'nodeConsolidation.enabled': 'false' });
  await becomes(life, 'overruled by the dynamic one', (f) => f.nodeConsolidation?.enabled === false);
  await client.delete(CONFIG_MAPS, { name: DYNAMIC, namespace });
  await becomes(life, 'in force again', (f) => f.nodeConsolidation?.enabled === true);
  const unlabelled = { metadata: { labels: { [FEATURES_LABEL]: null } } };
  await client.patch(CONFIG_MAPS, { name: 'team', namespace: other }, unlabelled);
  await becomes(
    life,
    'the ConfigMap without its label no longer counts',
    (f) => f.nodeConsolidation === undefined,
  );
});
