import t from 'tap';
import type { Check, CheckState } from '../check.ts';

/** What differs from facts that lack nothing, the check that says so, its state, and its sentence. */
export type LackCase<Facts> = readonly [Partial<Facts>, string, CheckState, RegExp];

/** Tests that facts which lack nothing are fine in `count` checks, and that facts which lack one thing are told just that. */
export const testLacks = <Facts extends object>(o: {
  /** What the facts are of, with its article. */
  readonly what: string;
  readonly whole: Facts;
  readonly count: number;
  readonly checksOf: (facts: Facts) => readonly Check[];
  readonly cases: Readonly<Record<string, LackCase<Facts>>>;
}): void => {
  t.test(`${o.what} that lacks nothing is said to lack nothing`, async (t) => {
    const checks = o.checksOf(o.whole);
    t.same(
      checks.filter(({ state }) => state !== 'fine'),
      [],
    );
    t.equal(new Set(checks.map(({ name }) => name)).size, o.count, 'everything was looked at');
  });

  t.test(`${o.what} that lacks one thing is said to lack just that`, async (t) => {
    for (const [what, [change, name, state, message]] of Object.entries(o.cases)) {
      const found = o.checksOf({ ...o.whole, ...change }).filter((check) => check.state !== 'fine');
      t.same(
        found.map((check) => [check.name, check.state]),
        [[name, state]],
        what,
      );
      t.match(found[0]?.message, message, what);
      t.match(found[0]?.message, /^[^.].*\.$/, `${what}: a sentence`);
    }
  });
};
