import type { CapacityBuffer } from '../../api/objects.ts';

/**
 * Who serves CapacityBuffers. No field says it: Karpenter serves every buffer once its gate is on, cluster-autoscaler those of the
 * usual strategy, and each of them every buffer of the cluster. What tells is who writes their status.
 */

/** Field manager of the statuses that kentroller writes. */
export const BUFFER_MANAGER = 'castai-kentroller-buffers';
/** The strategy that a buffer without one has. */
export const ACTIVE_CAPACITY = 'buffer.x-k8s.io/active-capacity';
/** Milliseconds for which a new buffer is left to others: they write its status at once where they run. */
export const GRACE_MS = 30_000;

export type Standing =
  | { readonly kind: 'serve' }
  /** Until then, in milliseconds since 1970. */
  | { readonly kind: 'wait'; readonly until: number }
  /** Another strategy, which is nobody's business but of who knows it. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'aside'; readonly message: string };

/** Whether kentroller has written the status of a buffer, or some of it. */
export const isOurs = ({ metadata }: CapacityBuffer): boolean =>
  (metadata.managedFields ?? []).some(({ manager }) => manager === BUFFER_MANAGER);

/** Who else has written the status of a buffer; undefined for nobody. */
export const otherWriter = (buffer: CapacityBuffer): string | undefined => {
  const { metadata, status } = buffer;
  const other = (metadata.managedFields ?? []).find(
    ({ manager, subresource }) => subresource === 'status' && manager !== BUFFER_MANAGER,
  );
  if (other) return other.manager || 'somebody without a name';
  // Who wrote it can be erased, what was written can't.
  const isWritten = Object.keys(status ?? {}).length > 0;
  return isWritten && !isOurs(buffer) ? 'somebody unknown' : undefined;
};

/** Whether kentroller alone has written the status of a buffer; what somebody else has changed since is theirs as it is. */
export const isOursAlone = (buffer: CapacityBuffer): boolean =>
  isOurs(buffer) && otherWriter(buffer) === undefined;

const isOfUsualStrategy = ({ spec }: CapacityBuffer): boolean =>
  (spec?.provisioningStrategy || ACTIVE_CAPACITY) === ACTIVE_CAPACITY;

const ref = ({ metadata: { namespace = 'default', name } }: CapacityBuffer): string => `${namespace}/${name}`;

/**
 * Whether kentroller serves each buffer, by 'namespace/name'. While the status of any is somebody else's, all are: two that serve the
 * same cluster would buy the same room.
 */
export const standings = (buffers: readonly CapacityBuffer[], now: number): ReadonlyMap<string, Standing> => {
  // Who writes to one of another strategy may know that strategy alone.
  const theirs = buffers.find((each) => isOfUsualStrategy(each) && otherWriter(each) !== undefined);
  return new Map(
    buffers.map((buffer): [string, Standing] => {
      if (!isOfUsualStrategy(buffer)) return [ref(buffer), { kind: 'foreign' }];
      if (theirs) {
        const whose = theirs === buffer ? 'its status' : `the status of CapacityBuffer ${ref(theirs)}`;
        const message = `Not served by castai-kentroller: ${otherWriter(theirs)} has written ${whose}. If that does not serve CapacityBuffers any more, delete ${ref(theirs)} and create it anew.`;
        return [ref(buffer), { kind: 'aside', message }];
      }
      const until = (Date.parse(buffer.metadata.creationTimestamp ?? '') || 0) + GRACE_MS;
      return [ref(buffer), until > now && !isOurs(buffer) ? { kind: 'wait', until } : { kind: 'serve' }];
    }),
  );
};
