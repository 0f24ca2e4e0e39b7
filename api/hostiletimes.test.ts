import t from 'tap';
import { parseCron } from './cron.ts';
import { parseDuration, parseGoDuration } from './duration.ts';
import { cpuMillisOf } from './testing/work.ts';

/** Texts that a user may put into an annotation or a schedule, and that all planning would wait for. */

const NINES = '9'.repeat(250_000);

const DURATIONS: readonly [string, string][] = [
  ['250,000 digits without a unit, which took minutes', `${NINES}x`],
  ['a number of 250,000 digits', `${NINES}h`],
  ['a point after each digit', '1.'.repeat(100_000)],
  ['more hours than Go can count', '2562048h'],
  ['a number beyond numbers', `${'9'.repeat(400)}h`],
  ['a hundred thousand durations', '1h'.repeat(100_000)],
];

for (const [name, text] of DURATIONS) {
  t.test(`a duration of ${name} is none, at once`, async (t) => {
    const work = cpuMillisOf(() => {
      t.equal(parseGoDuration(text), undefined);
      t.equal(parseGoDuration(`-${text}`), undefined);
      t.equal(parseDuration(text), undefined);
    });
    t.ok(work < 1000, `${work} CPU ms`);
  });
}

t.test('the longest duration that Go can count is read', async (t) => {
  t.equal(parseGoDuration('2562047h'), 2_562_047 * 3_600_000);
});

const EXPRESSIONS: readonly [string, string][] = [
  ['a list of 100,000 stars', `${'*,'.repeat(100_000)}* * * * *`],
  ['a million blanks', `${' '.repeat(1_000_000)}x`],
  ['a time zone with a long name', `TZ=${'a'.repeat(1_000_000)} * * * * *`],
  ['an interval that is no number', `@every ${NINES}x`],
  ['an interval that no date can be added to', '@every 99999999999999999999h'],
  ['a number of 250,000 digits', `${NINES} * * * *`],
];

for (const [name, text] of EXPRESSIONS) {
  t.test(`a schedule of ${name} is refused, at once and in one sentence`, async (t) => {
    const work = cpuMillisOf(() =>
      t.throws(() => parseCron(text), { name: 'CronError', message: /^.{1,200}$/s }),
    );
    t.ok(work < 1000, `${work} CPU ms`);
  });
}
