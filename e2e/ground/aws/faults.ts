import { matchesPattern } from './ec2/filters.ts';

/** Missing capacity for offerings that match all three patterns (`*` and `?` as in EC2's filters). */
export interface CapacityFault {
  readonly instanceType: string;
  readonly zone: string;
  readonly capacityType: string;
  /** How many launches fail before capacity is back; without it, all do. */
  readonly times?: number;
}

/** The next calls of an action, '*' for any, are answered with RequestLimitExceeded. */
export interface ThrottleFault {
  readonly action: string;
  readonly times: number;
}

/** Calls of an action, '*' for any, that are refused as with credentials that have expired or lack a right. */
export interface RefusalFault {
  readonly action: string;
  readonly reason: 'expired' | 'denied';
  /** How many; without it, all until cleared. */
  readonly times?: number;
}

/** Machines that launch but never join the cluster. */
export interface NoJoinFault {
  readonly instanceType: string;
  /** How many; without it, all that match. */
  readonly times?: number;
}

/** How long a machine takes. Milliseconds. */
export interface Delays {
  /** From the launch until it is running. */
  readonly launchMs: number;
  /** From running until its kubelet starts. */
  readonly joinMs: number;
  /** From its termination until it is terminated. */
  readonly shutdownMs: number;
  /** From its kubelet's start until its devices are there. */
  readonly devicesMs: number;
}

export interface FaultSettings {
  readonly capacity: readonly CapacityFault[];
  readonly throttle: readonly ThrottleFault[];
  readonly refuse: readonly RefusalFault[];
  readonly noJoin: readonly NoJoinFault[];
  readonly delays: Delays;
}

export interface Offering {
  readonly instanceType: string;
  readonly zone: string;
  readonly capacityType: string;
}

export interface Faults {
  read(): FaultSettings;
  /** Settings given replace the earlier ones; the others stay. */
  set(
    change: { readonly [K in keyof FaultSettings]?: K extends 'delays' ? Partial<Delays> : FaultSettings[K] },
  ): void;
  /** Whether capacity for a launch is missing now; counts down faults that end. */
  takeCapacityFault(offering: Offering): boolean;
  takeThrottle(action: string): boolean;
  /** Why a call is refused now, if it is; counts down faults that end. */
  takeRefusal(action: string): RefusalFault['reason'] | undefined;
  takeNoJoin(instanceType: string): boolean;
}

export const NO_FAULTS: FaultSettings = {
  capacity: [],
  throttle: [],
  refuse: [],
  noJoin: [],
  delays: { launchMs: 500, joinMs: 1_000, shutdownMs: 1_000, devicesMs: 5_000 },
};

/** The first match, and the list with it counted down. */
const take = <T extends { readonly times?: number }>(
  all: readonly T[],
  matches: (each: T) => boolean,
): { readonly hit: T | undefined; readonly left: readonly T[] } => {
  const hit = all.find((each) => (each.times ?? 1) > 0 && matches(each));
  if (hit?.times === undefined) return { hit, left: all };
  const times = hit.times - 1;
  return {
    hit,
    left: all.flatMap((each) => (each !== hit ? [each] : times > 0 ? [{ ...each, times }] : [])),
  };
};

export const createFaults = (): Faults => {
  let settings = NO_FAULTS;
  return {
    read: () => settings,
    set: (change) => {
      settings = { ...settings, ...change, delays: { ...settings.delays, ...change.delays } };
    },
    takeCapacityFault: ({ instanceType, zone, capacityType }) => {
      const { hit, left } = take(
        settings.capacity,
        (each) =>
          matchesPattern(each.instanceType, instanceType) &&
          matchesPattern(each.zone, zone) &&
          matchesPattern(each.capacityType, capacityType),
      );
      settings = { ...settings, capacity: left };
      return hit !== undefined;
    },
    takeThrottle: (action) => {
      const { hit, left } = take(settings.throttle, (each) => matchesPattern(each.action, action));
      settings = { ...settings, throttle: left };
      return hit !== undefined;
    },
    takeRefusal: (action) => {
      const { hit, left } = take(settings.refuse, (each) => matchesPattern(each.action, action));
      settings = { ...settings, refuse: left };
      return hit?.reason;
    },
    takeNoJoin: (instanceType) => {
      const { hit, left } = take(settings.noJoin, (each) => matchesPattern(each.instanceType, instanceType));
      settings = { ...settings, noJoin: left };
      return hit !== undefined;
    },
  };
};
