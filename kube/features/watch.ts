import type { Registry } from 'prom-client';
import type { Features } from '../../api/features.ts';
import type { ConfigMap } from '../../api/objects.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import { type Cache, keyOf } from '../cache/cache.ts';
import type { Logger } from '../component/log.ts';
import { gauge } from '../component/metrics.ts';
import type { Recorder } from '../controller/events.ts';
import {
  applyConfigMap,
  effectiveFeatures,
  type FeatureChange,
  type FeatureState,
  initialState,
  removeConfigMap,
} from './featurestate.ts';
import type { FeatureRecord } from './record.ts';

/** The current features; read `current` at each use. An invalid ConfigMap changes nothing. */
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

/** A misspelt name is one of few; who writes thousands does not read them. */
const MAX_UNKNOWN = 20;

const report = (o: WatchOptions, map: ConfigMap, change: FeatureChange): void => {
  const about = { namespace: map.metadata.namespace, name: map.metadata.name };
  const event = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
    o.recorder?.event(CONFIG_MAPS, map, type, reason, message);
  if (change.kind === 'applied') {
    o.log.info({ ...about, features: change.features }, 'features applied');
    event('Normal', 'FeaturesApplied', 'The features of this ConfigMap are in force');
    if (change.unknown.length === 0) return;
    const unknown = change.unknown.slice(0, MAX_UNKNOWN);
    o.log.warn({ ...about, unknown }, 'unknown features ignored');
    const more = change.unknown.length - unknown.length;
    const others = more > 0 ? ` and ${more} others` : '';
    event('Warning', 'FeaturesUnknown', `Unknown features are ignored: ${unknown.join(', ')}${others}`);
  }
  if (change.kind === 'refused') {
    const stays = change.keepsEarlier ? 'the last valid one stays in force' : 'it is ignored';
    o.log.warn(
      { ...about, reason: change.problem, keepsEarlier: change.keepsEarlier },
      'invalid features ignored',
    );
    event('Warning', 'FeaturesInvalid', `The ConfigMap is invalid, ${stays}: ${change.problem}`);
  }
  if (change.kind === 'removed') o.log.info(about, 'features removed');
};

/** Follows the ConfigMaps of the synced caches until the signal aborts. */
export const watchFeatures = async (o: WatchOptions): Promise<LiveFeatures> => {
  let state: FeatureState = initialState(await o.record.load(o.signal));
  let now: Features = {};
  const handlers = new Set<(features: Features) => void>();
  const valid = o.metrics
    ? gauge(o.metrics, 'kentroller_features_valid', '1 while a ConfigMap of features is valid', [
        'namespace',
        'name',
      ])
    : undefined;

  const update = (map: ConfigMap, isGone: boolean): void => {
    const key = keyOf(map);
    const { name, namespace = '' } = map.metadata;
    const next = isGone
      ? removeConfigMap(state, key)
      : applyConfigMap(state, key, map.data ?? {}, name === o.name);
    if (next.change.kind === 'unchanged') return;
    state = next.state;
    if (isGone) valid?.remove({ namespace, name });
    else valid?.set({ namespace, name }, next.change.kind === 'refused' ? 0 : 1);
    report(o, map, next.change);
    o.record.save(state);
    const features = effectiveFeatures(state);
    if (JSON.stringify(features) === JSON.stringify(now)) return;
    now = features;
    for (const handler of handlers) handler(features);
  };

  for (const cache of o.caches) {
    const stop = cache.onChange(({ type, object }) => update(object, type === 'delete'));
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
