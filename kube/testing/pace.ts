/**
 * How slow this machine is now: 1 is a quiet machine of the kind that the deadlines of tests are written for. The runner
 * of all tests measures it once and hands it on as TEST_PACE; without a runner it is 1.
 */
const MOST = 10;

/** The pace that an environment names, between 1 and 10, so that what hangs still ends. */
export const paceIn = (env: Readonly<Record<string, string | undefined>>): number => {
  const given = Number(env.TEST_PACE);
  return Number.isFinite(given) ? Math.min(Math.max(given, 1), MOST) : 1;
};

/** A time that a test may take, at the machine's pace. */
export const paced = (ms: number): number => Math.round(ms * paceIn(process.env));

/** The same as a duration for flags, such as kubectl's --timeout. */
export const pacedSeconds = (seconds: number): string => `${Math.ceil(paced(seconds * 1_000) / 1_000)}s`;
