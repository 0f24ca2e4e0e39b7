import type { Registry } from 'prom-client';
import type { Features } from '../../api/features.ts';
import type { ConfigMap } from '../../api/objects.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import { type Cache, keyOf } from '../cache/cache.ts';
import type { Logger } from '../component/log.ts';
import { gauge } from '../component/metrics.ts';
import type { Recorder } from '../controller/events.ts';
import { type Book, drop, inForce, type News, openBook, take } from './book.ts';
import type { FeatureRecord } from './record.ts';

/** The current features; read `current` at each use. A ConfigMap that can't be read changes nothing. */
export interface LiveFeatures {
  current(): Features;
  /** Subscribes to changes of the features in force; returns the function that unsubscribes. */
  onChange(handler: (features: Features) => void): () => void;
}

interface WatchOptions {
  readonly caches: readonly Cache<ConfigMap>[];
  /** Name of the dynamic ConfigMaps, which win over the others. */
  readonly name: string;
  readonly record: FeatureRecord;
  /** Writes events on the ConfigMaps; only one component does. */
  readonly recorder?: Recorder;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly metrics?: Registry;
}

const announce = (o: WatchOptions, map: ConfigMap, news: News): void => {
  const about = { namespace: map.metadata.namespace, name: map.metadata.name };
  const event = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
    o.recorder?.event(CONFIG_MAPS, map, type, reason, message);
  if (news.kind === 'applied') {
    o.log.info({ ...about, features: news.features }, 'features applied');
    event('Normal', 'FeaturesApplied', 'What it says of features is in force');
    if (news.unknown.length === 0) return;
    o.log.warn({ ...about, unknown: news.unknown }, 'features unknown');
    event('Warning', 'FeaturesUnknown', `Nobody knows ${news.unknown.join(', ')}: that is left out`);
  }
  if (news.kind === 'refused') {
    const stays = news.keepsEarlier ? 'the last good one stays in force' : 'it is left out';
    o.log.warn({ ...about, reason: news.problem, keepsEarlier: news.keepsEarlier }, 'features refused');
    event('Warning', 'FeaturesInvalid', `It can't be used, ${stays}: ${news.problem}`);
  }
  if (news.kind === 'removed') o.log.info(about, 'features removed');
};

/** Follows the ConfigMaps of the synced caches until the signal aborts. */
export const watchFeatures = async (o: WatchOptions): Promise<LiveFeatures> => {
  let book: Book = openBook(await o.record.load(o.signal));
  let now: Features = {};
  const handlers = new Set<(features: Features) => void>();
  const valid = o.metrics
    ? gauge(o.metrics, 'kentroller_features_valid', '1 while a ConfigMap of features can be read', [
        'namespace',
        'name',
      ])
    : undefined;

  const enter = (map: ConfigMap, isGone: boolean): void => {
    const key = keyOf(map);
    const { name, namespace = '' } = map.metadata;
    const next = isGone ? drop(book, key) : take(book, key, map.data ?? {}, name === o.name);
    if (next.news.kind === 'unchanged') return;
    book = next.book;
    if (isGone) valid?.remove({ namespace, name });
    else valid?.set({ namespace, name }, next.news.kind === 'refused' ? 0 : 1);
    announce(o, map, next.news);
    o.record.save(book);
    const features = inForce(book);
    if (JSON.stringify(features) === JSON.stringify(now)) return;
    now = features;
    for (const handler of handlers) handler(features);
  };

  for (const cache of o.caches) {
    const stop = cache.onChange(({ type, object }) => enter(object, type === 'delete'));
    o.signal.addEventListener('abort', stop, { once: true });
  }
  return {
    current: () => now,
    onChange: (handler) => {
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
  };
};
