import type { Logger } from '../../../kube/component/log.ts';
import {
  MACHINES_CALL,
  type ManagedResource,
  type ShiftCall,
  unreadOf,
  ZONAL_SHIFT_CALL,
  type ZonalShifts,
  type ZoneShift,
  zoneShiftsOf,
} from './managedresource.ts';

export interface ZonalShiftOptions {
  /** The ARN of the cluster; without it, its machines tell. */
  readonly clusterArn?: string;
  /** Provider ids of the cluster's machines; undefined while they are not known. */
  readonly machines: () => readonly string[] | undefined;
  readonly findCluster: (providerIDs: readonly string[], signal: AbortSignal) => Promise<string | undefined>;
  readonly read: (clusterArn: string, signal: AbortSignal) => Promise<ManagedResource>;
  /** Milliseconds between two readings. */
  readonly everyMs?: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** Karpenter's own period. */
const EVERY_MS = 30_000;
/** Delay after an answer that somebody has to do something about, in periods. */
const LATER = 10;
/** Delay of the next look while the machines are not known. */
const UNKNOWN_MS = 500;
/** How long a shift counts after the last answer when no end of it is known. */
const ENDLESS_MS = 60 * 60_000;

const NOT_ASKED = 'they have not been read yet';
const NO_CLUSTER =
  'no tag of its machines tells which EKS cluster this is: set EKS_CLUSTER_ARN, where it is one';

/**
 * Keeps the shifts until the signal aborts. What was read counts until its end though it can't be read again, without a known
 * end for an hour, and no longer once ARC says that it does not know the cluster.
 */
export const watchZonalShifts = (o: ZonalShiftOptions): (() => ZonalShifts) => {
  const { log, signal, now, everyMs = EVERY_MS } = o;
  let zones: readonly ZoneShift[] = [];
  let readAt = now();
  let unread: string | undefined = NOT_ASKED;
  let said: string | undefined;
  let clusterArn = o.clusterArn || undefined;
  let call: ShiftCall = MACHINES_CALL;
  let timer: NodeJS.Timeout | undefined;

  const current = (): readonly ZoneShift[] =>
    zones.filter(({ until = readAt + ENDLESS_MS }) => until > now());
  const keep = (next: readonly ZoneShift[]): void => {
    const were = new Set(zones.map(({ zoneId }) => zoneId));
    for (const { zoneId, until } of next) {
      if (were.delete(zoneId)) continue;
      const end = until === undefined ? {} : { until: new Date(until).toISOString() };
      log.warn({ zoneId, ...end }, 'zone is shifted away, nothing is bought in it');
    }
    for (const zoneId of were) log.info({ zoneId }, 'zone is not shifted away any more');
    zones = next;
  };
  /** A cluster that is not of EKS, or that nobody registered, lacks nothing: that is no warning. */
  const tell = (reason: string, level: 'info' | 'warn', right?: string): void => {
    if (reason !== said)
      log[level](
        { reason, ...(right !== undefined && { right }) },
        'zonal shifts could not be read, none that begins is heeded',
      );
    said = reason;
    unread = reason;
  };
  /** Reads once, and returns the milliseconds until the next time. */
  const look = async (): Promise<number> => {
    call = MACHINES_CALL;
    if (!clusterArn) {
      const machines = o.machines();
      if (!machines) return Math.min(UNKNOWN_MS, everyMs);
      clusterArn = await o.findCluster(machines, signal);
      if (!clusterArn) {
        tell(NO_CLUSTER, 'info');
        return everyMs;
      }
    }
    call = ZONAL_SHIFT_CALL;
    keep(zoneShiftsOf(await o.read(clusterArn, signal), now()));
    readAt = now();
    if (said !== undefined) log.info({ clusterArn }, 'zonal shifts are read');
    said = undefined;
    unread = undefined;
    return everyMs;
  };
  const run = async (): Promise<void> => {
    let afterMs = everyMs;
    try {
      afterMs = await look();
    } catch (error) {
      if (signal.aborted) return;
      const { unread: reason, kind, lacks } = unreadOf(error, call);
      keep(kind === 'unregistered' ? [] : current());
      tell(reason, kind === 'unregistered' ? 'info' : 'warn', lacks);
      if (kind !== 'unanswered') afterMs = everyMs * LATER;
    }
    if (!signal.aborted) timer = setTimeout(() => void run(), afterMs);
  };
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  void run();
  return () => ({
    zones: current(),
    ...(unread !== undefined && { unread }),
  });
};
