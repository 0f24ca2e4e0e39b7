import { z } from 'zod';
import { messageOf } from '../../../kube/errors.ts';
import { isRefusedByEc2 } from '../reader.ts';
import { callSigned, RefusedCall } from '../signed/call.ts';
import type { Credentials } from '../signed/sigv4.ts';

/** What ARC zonal shift tells of one EKS cluster, asked without the SDK. */

/** The right that zonal shifts are read with. */
export const ZONAL_SHIFT_CALL = 'arc-zonal-shift:GetManagedResource';

/** The right that machines, which tell the cluster, are read with. */
export const MACHINES_CALL = 'ec2:DescribeInstances';

/** A zone that traffic is taken away from, by its id. */
export interface ZoneShift {
  readonly zoneId: string;
  /** Milliseconds since 1970; left out where no end is known. */
  readonly until?: number;
}

/** Which zones are shifted away now, as far as that is known. */
export interface ZonalShifts {
  readonly zones: readonly ZoneShift[];
  /** Why shifts can't be read now, in words; left out where they can. */
  readonly unread?: string;
  /** The right that is missing; left out where anything else is wrong. */
  readonly lacks?: string;
}

const MAX_ANSWER_BYTES = 1024 * 1024;
const TIMEOUT_MS = 10_000;

const managedResource = z.object({
  zonalShifts: z
    .array(
      z.object({
        awayFrom: z.string(),
        appliedStatus: z.string(),
        /** Seconds since 1970. */
        expiryTime: z.number(),
      }),
    )
    .default([]),
  autoshifts: z
    .array(z.object({ awayFrom: z.string().exactOptional(), appliedStatus: z.string() }))
    .default([]),
});

export type ManagedResource = z.output<typeof managedResource>;

const APPLIED = 'APPLIED';

/**
 * The zones that are shifted away: what is applied and not expired, as Karpenter counts it, and autoshifts that are applied,
 * which AWS ends itself. Of two shifts of one zone the later end counts. `now` in milliseconds since 1970.
 */
export const zoneShiftsOf = (
  { zonalShifts, autoshifts }: ManagedResource,
  now: number,
): readonly ZoneShift[] => {
  const shifts = new Map<string, ZoneShift>();
  for (const { awayFrom: zoneId, appliedStatus, expiryTime } of zonalShifts) {
    const until = expiryTime * 1000;
    if (appliedStatus !== APPLIED || until <= now) continue;
    const known = shifts.get(zoneId)?.until ?? 0;
    shifts.set(zoneId, { zoneId, until: Math.max(known, until) });
  }
  for (const { awayFrom: zoneId, appliedStatus } of autoshifts) {
    if (appliedStatus === APPLIED && zoneId !== undefined) shifts.set(zoneId, { zoneId });
  }
  return [...shifts.values()].sort((a, b) => (a.zoneId < b.zoneId ? -1 : 1));
};

const DENIED: ReadonlySet<string> = new Set(['AccessDeniedException', 'AccessDenied']);

export type ShiftCall = typeof ZONAL_SHIFT_CALL | typeof MACHINES_CALL;

/** Why shifts can't be read, by the call that failed: all but what is unanswered lasts until somebody changes it. */
export const unreadOf = (
  error: unknown,
  call: ShiftCall,
): {
  readonly kind: 'unregistered' | 'denied' | 'unanswered';
  readonly unread: string;
  readonly lacks?: ShiftCall;
} => {
  const code = error instanceof RefusedCall ? error.code : '';
  if (code === 'ResourceNotFoundException')
    return { kind: 'unregistered', unread: 'the cluster is not registered with ARC zonal shift' };
  const isDenied = call === MACHINES_CALL ? isRefusedByEc2(error) : DENIED.has(code);
  if (isDenied) return { kind: 'denied', unread: `the right ${call} is missing`, lacks: call };
  return { kind: 'unanswered', unread: messageOf(error) };
};

const endpointOf = (region: string): string =>
  `https://arc-zonal-shift.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;

export interface ManagedResourceOptions {
  readonly region: string;
  readonly credentials: (signal: AbortSignal) => Promise<Credentials>;
  /** Where the service answers, if not where its region says. */
  readonly endpoint?: string;
  readonly now?: () => number;
  readonly timeoutMs?: number;
}

/** Reads the shifts of a cluster by its ARN. Throws Errors with sentences; `RefusedCall` where AWS answered with an error. */
export const readManagedResource = (
  o: ManagedResourceOptions,
): ((clusterArn: string, signal: AbortSignal) => Promise<ManagedResource>) => {
  return (clusterArn, signal) =>
    callSigned(
      {
        service: 'arc-zonal-shift',
        title: 'ARC zonal shift',
        action: 'GetManagedResource',
        region: o.region,
        method: 'GET',
        url: new URL(
          `/managedresources/${encodeURIComponent(clusterArn)}`,
          o.endpoint ?? endpointOf(o.region),
        ),
        headers: {},
        credentials: o.credentials,
        now: o.now ?? Date.now,
        timeoutMs: o.timeoutMs ?? TIMEOUT_MS,
        mostBytes: MAX_ANSWER_BYTES,
      },
      managedResource,
      signal,
    );
};
