import type { Features } from '../../api/features.ts';
import { AUTOSCALER_POLICY, type AutoscalerPolicy } from '../../api/kinds/autoscalerpolicy.ts';
import { AUTOSCALER_POLICIES } from '../../api/resources.ts';
import { type Cache, createCache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import { rememberSeen } from './seen.ts';
import { type PoliciesNow, readPolicies } from './settings.ts';

/** Time that a new leader gives the API server for the first answer; later on what needs the policies waits. */
const FIRST_READ_MS = 30_000;

/** The policies of the cluster; read `now` at each use. */
export interface LivePolicies {
  now(): PoliciesNow;
  /** The AutoscalerPolicy as it was read last. */
  object(): AutoscalerPolicy | undefined;
  readonly cache: Cache<AutoscalerPolicy>;
}

/**
 * Follows the AutoscalerPolicy until the signal aborts, from the server's first answer on or after `firstReadMs`; one that
 * does not serve the kind is no error.
 */
export const watchPolicies = async (o: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly features: () => Features;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly firstReadMs?: number;
}): Promise<LivePolicies> => {
  const { client, namespace, log, signal, firstReadMs = FIRST_READ_MS } = o;
  const cache = createCache({ client, log, resource: AUTOSCALER_POLICIES, isOptional: true });
  cache.start(signal);
  const seen = rememberSeen({ client, namespace, cache, log, signal });
  const patience = AbortSignal.any([signal, AbortSignal.timeout(firstReadMs)]);
  await cache.synced(patience).catch((error: unknown) => {
    signal.throwIfAborted();
    log.warn({ reason: messageOf(error) }, 'AutoscalerPolicies were not read: plans wait until they are');
  });
  await seen.look();
  void seen.follow();
  return {
    now: readPolicies(cache, o.features, seen.wasSeen),
    object: () => cache.get(AUTOSCALER_POLICY),
    cache,
  };
};
