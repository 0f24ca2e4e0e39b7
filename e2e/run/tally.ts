/** Counts of a test run. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const NOTHING: Tally = { passed: 0, failed: 0, skipped: 0 };

export const sum = (a: Tally, b: Tally): Tally => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

/**
 * Reads the closing comment of a TAP stream, `# { total: 3, pass: 1, fail: 1, skip: 1 }`. A stream without one, or a
 * bad exit without a failed test, counts as one failure.
 */
export const tallyOf = (tap: string, exitCode: number): Tally => {
  const closing = [...tap.matchAll(/^# \{ total: \d+(.*)\}$/gm)].at(-1)?.[1];
  const count = (word: string): number => Number(new RegExp(`${word}: (\\d+)`).exec(closing ?? '')?.[1] ?? 0);
  const failed = count('fail') + count('todo');
  const unseen = closing === undefined || (exitCode !== 0 && failed === 0) ? 1 : 0;
  return { passed: count('pass'), failed: failed + unseen, skipped: count('skip') };
};

/** The closing line of the run. */
export const closingLine = (tally: Tally): string =>
  tally.skipped === 0
    ? `${tally.passed} passed, ${tally.failed} failed`
    : `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`;

/** A test that did not run. */
export interface Skipped {
  readonly test: string;
  readonly why: string;
}

/** The skipped tests of a TAP stream, also those within others. */
export const skippedIn = (tap: string): readonly Skipped[] =>
  [...tap.matchAll(/^\s*ok \d+ - (.*?) # SKIP ?(.*)$/gm)].map(([, test = '', why = '']) => ({ test, why }));
