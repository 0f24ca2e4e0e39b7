import fc from 'fast-check';
import t from 'tap';
import { CronError } from './cron/fields.ts';
import { parseCron } from './cron.ts';

const at = (text: string): number => Date.parse(text);
const next = (cron: string, after: string): string | undefined => {
  const found = parseCron(cron).next(at(after));
  return found === undefined ? undefined : new Date(found).toISOString();
};

const CASES = [
  ['every five minutes', '*/5 * * * *', '2026-11-22T21:34:02Z', '2026-11-22T21:35:00.000Z'],
  ['a time that is now comes next time', '30 2 * * *', '2026-11-22T02:30:00Z', '2026-11-23T02:30:00.000Z'],
  ['working days by name', '0 9 * * MON-FRI', '2026-11-20T09:00:00Z', '2026-11-23T09:00:00.000Z'],
  ['day of month or day of week', '0 0 13 * FRI', '2026-11-14T00:00:00Z', '2026-11-20T00:00:00.000Z'],
  [
    'a step from a number goes to the end',
    '10/20 * * * *',
    '2026-11-22T21:31:00Z',
    '2026-11-22T21:50:00.000Z',
  ],
  ['February 29', '0 0 29 2 *', '2026-11-22T00:00:00Z', '2028-02-29T00:00:00.000Z'],
  ['Sunday as 0', '0 0 * * 0', '2026-11-23T00:00:00Z', '2026-11-29T00:00:00.000Z'],
  ['a star with a step restricts days', '0 3 */2 * 1', '2026-11-01T04:00:00Z', '2026-11-02T03:00:00.000Z'],
  ['a star among the parts', '0 3 1,* * 1', '2026-11-02T04:00:00Z', '2026-11-09T03:00:00.000Z'],
  ['an interval', '@every 1h30m', '2026-11-22T00:00:00.400Z', '2026-11-22T01:30:00.000Z'],
  ['an interval below a second', '@every 10ms', '2026-11-22T00:00:00Z', '2026-11-22T00:00:01.000Z'],
  [
    'a day that a zone left out',
    'TZ=Pacific/Apia 0 0 * * 6',
    '2011-12-29T20:00:00Z',
    '2011-12-30T10:00:00.000Z',
  ],
  ['a macro', '@weekly', '2026-11-22T00:00:00Z', '2026-11-29T00:00:00.000Z'],
  ['a zone', 'CRON_TZ=America/New_York 0 2 * * *', '2026-11-22T00:00:00Z', '2026-11-22T07:00:00.000Z'],
  [
    'the night without 2:30',
    'TZ=America/New_York 30 2 * * *',
    '2026-03-08T00:00:00-05:00',
    '2026-03-09T06:30:00.000Z',
  ],
  [
    'a time that daylight saving repeats comes twice',
    'TZ=America/New_York 30 1 * * *',
    '2026-11-01T05:30:00Z',
    '2026-11-01T06:30:00.000Z',
  ],
  [
    'a zone of half hours',
    'CRON_TZ=Asia/Kolkata 0 0 * * *',
    '2026-11-22T00:00:00Z',
    '2026-11-22T18:30:00.000Z',
  ],
  ['a day that never comes', '0 0 31 2 *', '2026-11-22T00:00:00Z', undefined],
] as const;

for (const [name, cron, after, expected] of CASES) {
  t.test(name, async (t) => t.equal(next(cron, after), expected));
}

for (const wrong of [
  '',
  '* * * *',
  '60 * * * *',
  '* * * * MOO',
  '*/0 * * * *',
  '5-1 * * * *',
  '50-10 * * * *',
  '0 0 * * FRI-SUN',
  '0 0 L * *',
  '0 0 15W * *',
  '0 0 * * 1#2',
  '0 0 0 * * *',
  '0 0 * * 7',
  '@Daily',
  '@every 1d',
  'CRON_TZ=Europe/Berlin',
  'CRON_TZ=Mars/Base * * * * *',
]) {
  t.test(`'${wrong}' is refused`, async (t) => t.throws(() => parseCron(wrong), CronError));
}

t.test('the latest of many runs is found', async (t) => {
  const latest = (cron: string, after: string, until: string): string | undefined => {
    const found = parseCron(cron).latest(at(after), at(until));
    return found === undefined ? undefined : new Date(found).toISOString();
  };
  const now = '2026-11-22T10:20:30Z';
  t.equal(latest('* * * * *', '2020-01-01T00:00:00Z', now), '2026-11-22T10:20:00.000Z');
  t.equal(latest('0 12 * * *', '2020-01-01T00:00:00Z', now), '2026-11-21T12:00:00.000Z');
  t.equal(latest('@yearly', '2020-01-01T00:00:00Z', now), '2026-01-01T00:00:00.000Z');
  t.equal(latest('0 0 29 2 *', '2020-01-01T00:00:00Z', now), '2024-02-29T00:00:00.000Z');
  t.equal(latest('0 12 * * *', '2026-11-22T00:00:00Z', now), undefined);
  t.equal(latest('20 10 * * *', '2026-11-22T10:20:00Z', now), undefined, 'the run at the begin is over');
  t.equal(latest('@every 50m', '2026-11-22T07:00:10Z', now), '2026-11-22T10:20:10.000Z');
  t.equal(latest('@every 5h', '2026-11-22T07:00:10Z', now), undefined);
});

t.test('the next time is after the given one, on a whole minute, and there is none in between', async () => {
  const field = (min: number, max: number) =>
    fc.oneof(fc.constant('*'), fc.integer({ min, max }).map(String));
  fc.assert(
    fc.property(field(0, 59), field(0, 23), fc.integer({ min: 0, max: 3e9 }), (minute, hour, seconds) => {
      const cron = parseCron(`${minute} ${hour} * * *`);
      const after = 1.7e12 + seconds;
      const found = cron.next(after) ?? 0;
      const isRight = (when: number): boolean => {
        const date = new Date(when);
        return (
          (minute === '*' || date.getUTCMinutes() === Number(minute)) &&
          (hour === '*' || date.getUTCHours() === Number(hour))
        );
      };
      if (found <= after || found % 60_000 !== 0 || !isRight(found)) return false;
      for (let m = Math.floor(after / 60_000) * 60_000 + 60_000; m < found; m += 60_000)
        if (isRight(m)) return false;
      return true;
    }),
    { numRuns: 200, seed: 1 },
  );
});
