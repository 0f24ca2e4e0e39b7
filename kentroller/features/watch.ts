import type { Registry } from 'prom-client';
import type { ConfigMap } from '../../api/objects.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import type { Cache } from '../../kube/cache.ts';
import type { Recorder } from '../../kube/events.ts';
import type { Logger } from '../../kube/log.ts';
import { gauge } from '../../kube/metrics.ts';
import { type Features, FeaturesError, parseFeatures } from './features.ts';

const KEY = 'config.yaml';

/** The features as they are now. A ConfigMap that can't be read leaves the last good one in force. */
export interface LiveFeatures {
  current(): Features;
}

export const watchFeatures = (o: {
  /** One cache for each namespace that is watched; a later one wins. */
  readonly caches: readonly Cache<ConfigMap>[];
  readonly name: string;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly metrics?: Registry;
}): LiveFeatures => {
  const known = new Map<string, Features>();
  const valid = o.metrics
    ? gauge(o.metrics, 'kentroller_dynamic_config_valid', '1 while the dynamic ConfigMap can be read', [
        'namespace',
      ])
    : undefined;
  const take = (map: ConfigMap, namespace: string): void => {
    try {
      known.set(namespace, parseFeatures(map.data?.[KEY] ?? ''));
      valid?.set({ namespace }, 1);
      o.log.info({ namespace, features: known.get(namespace) }, 'dynamic configuration in force');
      o.recorder.event(CONFIG_MAPS, map, 'Normal', 'ConfigurationApplied', `${KEY} is in force`);
    } catch (error) {
      if (!(error instanceof FeaturesError)) throw error;
      valid?.set({ namespace }, 0);
      const message = `${KEY} can't be used, the last good one stays: ${error.message}`;
      o.log.warn({ namespace, reason: error.message }, 'dynamic configuration is wrong');
      o.recorder.event(CONFIG_MAPS, map, 'Warning', 'ConfigurationInvalid', message);
    }
  };
  for (const cache of o.caches) {
    let last: string | undefined;
    const stop = cache.onChange(({ type, object }) => {
      if (object.metadata.name !== o.name) return;
      const namespace = object.metadata.namespace ?? '';
      const text = type === 'delete' ? undefined : (object.data?.[KEY] ?? '');
      if (text === last) return;
      last = text;
      if (type === 'delete') known.delete(namespace);
      else take(object, namespace);
    });
    o.signal.addEventListener('abort', stop, { once: true });
  }
  return { current: () => Object.assign({}, ...known.values()) as Features };
};
