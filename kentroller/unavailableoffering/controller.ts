import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import { UNAVAILABLE_OFFERINGS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import type { Caches } from '../caches.ts';
import type { Clock } from '../rebalanceplan/controller.ts';

/** How long an expired offering without status.cleanupAfter, such as one created by hand, is kept. */
const RETENTION_MS = 24 * 3_600_000;
/** Timers are 31 bits wide, so a longer wait is split. */
const MAX_SLEEP_MS = 3_600_000;

/** When the object is deleted, in milliseconds since 1970; undefined when never. */
export const cleanupTime = ({ spec, status }: UnavailableOffering): number | undefined => {
  const cleanupAfter = Date.parse(status?.cleanupAfter ?? '');
  if (!Number.isNaN(cleanupAfter)) return cleanupAfter;
  const expires = Date.parse(spec.expiresAt ?? '');
  return Number.isNaN(expires) ? undefined : expires + RETENTION_MS;
};

/** Deletes old UnavailableOfferings; the next failure to launch that offering counts as the first again. */
export const createOfferingExpiryController = (o: {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'unavailable'>;
  readonly log: Logger;
  readonly clock: Clock;
}): Controller => ({
  name: 'unavailableoffering.expire',
  sources: [watches(o.caches.unavailable, (offering) => [offering.metadata.name])],
  reconcile: async (name, signal) => {
    const offering = o.caches.unavailable.get(name);
    const at = offering ? cleanupTime(offering) : undefined;
    if (!offering || at === undefined) return awaitChange;
    const remainingMs = at - o.clock.now();
    if (remainingMs > 0) return requeue(Math.min(remainingMs, MAX_SLEEP_MS));
    const { resourceVersion } = offering.metadata;
    try {
      await o.client.delete(
        UNAVAILABLE_OFFERINGS,
        { name },
        { ...(resourceVersion && { resourceVersion }), signal },
      );
      o.log.info({ offering: name }, 'unavailable offering deleted');
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    return awaitChange;
  },
});
