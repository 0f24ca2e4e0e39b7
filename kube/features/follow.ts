import type { ConfigMap } from '../../api/objects.ts';
import type { Cache } from '../cache/cache.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';
import { createConfigMapCaches } from './configmaps.ts';
import { readFeatureRecord } from './record.ts';
import { type LiveFeatures, watchFeatures } from './watch.ts';

export interface FollowedFeatures {
  readonly features: LiveFeatures;
  /** The ConfigMaps that hold the features, for controllers that watch them. */
  readonly configMaps: readonly Cache<ConfigMap>[];
}

/**
 * Follows the features for a component that writes nothing about them. Throws KubeError when their ConfigMaps can't be
 * read.
 */
export const followFeatures = async (o: {
  readonly client: KubeClient;
  readonly log: Logger;
  /** The component's own namespace. */
  readonly namespace: string;
  /** Namespaces with ConfigMaps of features; the component's own when empty. */
  readonly watched: readonly string[];
  /** Name of the dynamic ConfigMaps. */
  readonly name: string;
  readonly signal: AbortSignal;
}): Promise<FollowedFeatures> => {
  const { client, log, namespace, name, signal } = o;
  const namespaces = o.watched.length > 0 ? o.watched : [namespace];
  const caches = createConfigMapCaches({ client, log, namespaces, name });
  for (const cache of caches) cache.start(signal);
  await Promise.all(caches.map((cache) => cache.synced(signal)));
  const record = readFeatureRecord({ client, namespace, log });
  return {
    configMaps: caches,
    features: await watchFeatures({ caches, name, record, log, signal }),
  };
};
