import { FEATURES_LABEL } from '../../api/features.ts';
import type { ConfigMap } from '../../api/objects.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import { type Cache, createCache } from '../cache/cache.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';

/** Caches of the dynamic ConfigMap, by name, and of labelled ConfigMaps in each namespace; no others are read. */
export const createConfigMapCaches = (o: {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly namespaces: readonly string[];
  readonly name: string;
}): readonly Cache<ConfigMap>[] => {
  const { client, log } = o;
  return o.namespaces.flatMap((namespace) => [
    createCache({
      client,
      log,
      resource: CONFIG_MAPS,
      namespace,
      fieldSelector: `metadata.name=${o.name}`,
    }),
    createCache({
      client,
      log,
      resource: CONFIG_MAPS,
      namespace,
      labelSelector: FEATURES_LABEL,
      fieldSelector: `metadata.name!=${o.name}`,
    }),
  ]);
};
