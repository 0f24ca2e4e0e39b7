import type { InstanceView } from '../aws/control.types.ts';

export interface Steps {
  /** Instances whose machine is to be started. */
  readonly start: readonly InstanceView[];
  /** Ids of instances whose machine is to be stopped. */
  readonly stop: readonly string[];
}

/** What it takes to have one machine for each instance that has joined and still runs. */
export const planSteps = (instances: readonly InstanceView[], running: ReadonlySet<string>): Steps => {
  const wanted = new Set(instances.filter((each) => each.hasJoined).map(({ id }) => id));
  return {
    start: instances.filter(({ id }) => wanted.has(id) && !running.has(id)),
    stop: [...running].filter((id) => !wanted.has(id)),
  };
};
