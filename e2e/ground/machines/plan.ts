import type { InstanceView } from '../aws/control/types.ts';

export interface Steps {
  /** Instances whose machine is to be started. */
  readonly start: readonly InstanceView[];
  /** Ids of instances whose machine is to be stopped. */
  readonly stop: readonly string[];
}

/** The existing machines, by the ids of their instances. */
export interface Observed {
  readonly alive: ReadonlySet<string>;
  /** Started at some time and not stopped since, alive or not. */
  readonly started: ReadonlySet<string>;
  /** When each was last started, in milliseconds since 1970. */
  readonly startedAt: ReadonlyMap<string, number>;
}

/** A kubelet that has ended is started again, as systemd does, after this time. */
export const RESTART_AFTER_MS = 5_000;

/** The starts and stops that leave one machine for each instance that has joined and still runs. */
export const planSteps = (instances: readonly InstanceView[], observed: Observed, now: number): Steps => {
  const { alive, started, startedAt } = observed;
  const wanted = new Set(instances.filter((each) => each.hasJoined).map(({ id }) => id));
  const isDue = (id: string): boolean => now - (startedAt.get(id) ?? 0) >= RESTART_AFTER_MS;
  return {
    start: instances.filter(({ id }) => wanted.has(id) && !alive.has(id) && isDue(id)),
    stop: [...started].filter((id) => !wanted.has(id)),
  };
};
