import type { Features } from '../../api/features.ts';
import { AUTOSCALER_POLICY, type AutoscalerPolicy } from '../../api/kinds/autoscalerpolicy.ts';
import { AUTOSCALER_POLICIES } from '../../api/resources.ts';
import { type Cache, createCache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { type PoliciesNow, readPolicies } from './settings.ts';

/** The policies of the cluster; read `now` at each use. */
export interface LivePolicies {
  now(): PoliciesNow;
  /** The AutoscalerPolicy as it was read last. */
  object(): AutoscalerPolicy | undefined;
  readonly cache: Cache<AutoscalerPolicy>;
}

/** Follows the AutoscalerPolicy until the signal aborts; a server that does not serve the kind is no error. */
export const watchPolicies = (o: {
  readonly client: KubeClient;
  readonly features: () => Features;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): LivePolicies => {
  const { client, log } = o;
  const cache = createCache({ client, log, resource: AUTOSCALER_POLICIES, isOptional: true });
  cache.start(o.signal);
  return {
    now: readPolicies(cache, o.features),
    object: () => cache.get(AUTOSCALER_POLICY),
    cache,
  };
};
