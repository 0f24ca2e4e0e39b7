import { availableParallelism, loadavg } from 'node:os';

/**
 * How slow this machine is now: 1 is a quiet machine of the kind that the deadlines of tests are written for. The runner
 * of all tests measures it at its beginning and hands it on as TEST_PACE; work that others begin later shows in the load.
 */
const MOST = 10;

/** The number of processes that want each processor, over the last minute; 0 where the system does not tell. */
const loadNow = (): number => (loadavg()[0] ?? 0) / availableParallelism();

/** The pace that an environment names, or the one that the load tells where that is more; between 1 and 10, so that what hangs still ends. */
export const paceIn = (env: Readonly<Record<string, string | undefined>>, load = loadNow()): number => {
  const given = Number(env.TEST_PACE);
  return Math.min(Math.max(Number.isFinite(given) ? given : 1, load, 1), MOST);
};

/** A time that a test may take, at the machine's pace. */
export const paced = (ms: number, load?: number): number => Math.round(ms * paceIn(process.env, load));

/** The same as a duration for flags, such as kubectl's --timeout. */
export const pacedSeconds = (seconds: number, load?: number): string =>
  `${Math.ceil(paced(seconds * 1_000, load) / 1_000)}s`;

/**
 * A deadline for a wait that begins now. It is asked at each look, since a machine may become busy meanwhile: then it is later,
 * and never earlier again.
 */
export class Deadline {
  readonly #ms: number;
  readonly #began = performance.now();
  #within = 0;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Milliseconds that the wait may take, by all that was seen so far. */
  within(load?: number): number {
    this.#within = Math.max(this.#within, paced(this.#ms, load));
    return this.#within;
  }

  isOver(load?: number): boolean {
    return performance.now() - this.#began >= this.within(load);
  }
}
