import { spawnSync } from 'node:child_process';

/** Work of one Node process: its start, and text made and parsed. */
const WORK = `let sum = 0;
for (let n = 0; n < 300; n++) sum += JSON.parse(JSON.stringify(Array.from({ length: 5000 }, (_, i) => ({ i, name: 'pod-' + i })))).length;
process.exitCode = sum === 1500000 ? 0 : 1;`;

/** Milliseconds that this work takes on a quiet machine with two cores of 2024. */
export const REFERENCE_MS = 500;

const TIMES = 5;

/** Milliseconds of each of a few runs of the same work, on the machine as busy as it is. */
export const measure = (): readonly number[] =>
  Array.from({ length: TIMES }, () => {
    const since = performance.now();
    const { status, error } = spawnSync(process.execPath, ['--eval', WORK], { stdio: 'ignore' });
    if (status !== 0)
      throw new Error(`the machine's pace can't be measured: exit code ${status}`, { cause: error });
    return performance.now() - since;
  });

/** How many times slower than a quiet machine the middle one of the measured runs was; never below 1. */
export const paceOf = (measured: readonly number[]): number => {
  const middle = [...measured].sort((a, b) => a - b)[Math.floor(measured.length / 2)] ?? REFERENCE_MS;
  return Math.max(1, Math.round((10 * middle) / REFERENCE_MS) / 10);
};
