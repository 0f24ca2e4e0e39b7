/** The clock of a bench, in milliseconds since any moment. */
export interface BenchClock {
  readonly name: string;
  readonly now: () => number;
}

const WALL: BenchClock = { name: 'wall', now: () => performance.now() };

/** CPU time of all threads of the process: on a busy machine it leaves out the waiting. */
const CPU: BenchClock = {
  name: 'cpu',
  now: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

export const clockOf = (name: string | undefined): BenchClock => (name === 'cpu' ? CPU : WALL);
