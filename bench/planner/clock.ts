/** A clock that a bench times with, in milliseconds from any start. */
export interface BenchClock {
  readonly name: string;
  readonly now: () => number;
}

const WALL: BenchClock = { name: 'wall', now: () => performance.now() };

/** CPU time of all threads of the process: on a busy machine, what the work takes and not what it waits. */
const CPU: BenchClock = {
  name: 'cpu',
  now: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

export const clockOf = (name: string | undefined): BenchClock => (name === 'cpu' ? CPU : WALL);
