import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import { UNAVAILABLE_OFFERINGS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import type { Caches } from '../caches.ts';
import type { Clock } from '../rebalanceplan/controller.ts';

/** An offering that was written by hand, with no time to clear it away, is kept this long after it expired. */
const KEPT_MS = 24 * 3_600_000;
/** Timers are 31 bits wide; whoever sleeps longer looks again in between. */
const LONGEST_SLEEP_MS = 3_600_000;

/** When the memory of a refused offering is cleared away; undefined when never. Milliseconds since 1970. */
export const cleanupTime = ({ spec, status }: UnavailableOffering): number | undefined => {
  const said = Date.parse(status?.cleanupAfter ?? '');
  if (!Number.isNaN(said)) return said;
  const expires = Date.parse(spec.expiresAt ?? '');
  return Number.isNaN(expires) ? undefined : expires + KEPT_MS;
};

/** Deletes UnavailableOfferings that no longer lengthen anything: refusals after that count from one again. */
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
    const left = at - o.clock.now();
    if (left > 0) return requeue(Math.min(left, LONGEST_SLEEP_MS));
    const { resourceVersion } = offering.metadata;
    try {
      await o.client.delete(
        UNAVAILABLE_OFFERINGS,
        { name },
        { ...(resourceVersion ? { resourceVersion } : {}), signal },
      );
      o.log.info({ offering: name }, 'unavailable offering forgotten');
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    return awaitChange;
  },
});
