import { createHash } from 'node:crypto';
import { isObjectName } from '../../../api/identity/names.ts';
import type { UnavailableOffering, UnavailableOfferingSpec } from '../../../api/kinds/unavailableoffering.ts';
import { UNAVAILABLE_OFFERINGS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';

/** Longer than the 3 minutes for which Karpenter remembers a refused offering; doubled with each refusal. */
const FIRST_MS = 5 * 60_000;
const LONGEST_MS = 2 * 3_600_000;
const KEPT_MS = 24 * 3_600_000;

export const FIELD_MANAGER = 'castai-kentroller';

/** Name of the UnavailableOffering: readable where it fits, else a hash. */
export const unavailableName = (spec: UnavailableOfferingSpec): string => {
  const { instanceType, zone = spec.zoneId ?? 'any', capacityType, capacityReservationId } = spec;
  const parts = [instanceType, zone, capacityType, capacityReservationId ?? []].flat();
  const readable = parts.join('-');
  if (isObjectName(readable)) return readable;
  return `offering-${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)}`;
};

/** Milliseconds for which an offering counts as unavailable after its n-th refusal in a row (from 1). */
export const unavailableFor = (refusals: number, firstMs = FIRST_MS): number =>
  Math.min(firstMs * 2 ** Math.max(refusals - 1, 0), LONGEST_MS);

/** Refusals that still count: one is forgotten for each two hours for which the offering could be tried again. */
export const refusalsLeft = ({ spec, status }: UnavailableOffering, now: number): number => {
  const expiredMs = now - Date.parse(spec.expiresAt ?? '');
  const forgotten = expiredMs > 0 ? Math.floor(expiredMs / LONGEST_MS) : 0;
  return Math.max(0, (status?.attempts ?? 0) - forgotten);
};

/**
 * Records that the cloud refused an offering, or took it back; `known` is the record of earlier times. The first time
 * counts for `firstMs`.
 */
export const noteUnavailable = async (
  client: KubeClient,
  spec: UnavailableOfferingSpec,
  known: UnavailableOffering | undefined,
  now: number,
  signal: AbortSignal,
  firstMs = FIRST_MS,
): Promise<void> => {
  const attempts = (known ? refusalsLeft(known, now) : 0) + 1;
  // What is remembered for longer, such as an interruption before a refusal, stays so.
  const expiresAt = Math.max(
    now + unavailableFor(attempts, firstMs),
    Date.parse(known?.spec.expiresAt ?? '') || 0,
  );
  const metadata = { name: unavailableName(spec) };
  const o = { fieldManager: FIELD_MANAGER, force: true, signal };
  await client.apply(
    UNAVAILABLE_OFFERINGS,
    { metadata, spec: { ...spec, expiresAt: new Date(expiresAt).toISOString() } },
    o,
  );
  const cleanupAfter = new Date(expiresAt + KEPT_MS).toISOString();
  await client.apply(
    UNAVAILABLE_OFFERINGS,
    { metadata, status: { attempts, cleanupAfter } },
    { ...o, subresource: 'status' },
  );
};
