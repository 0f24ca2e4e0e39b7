import fc from 'fast-check';
import t from 'tap';
import { formatDuration, parseDuration, parseGoDuration } from './duration.ts';

t.test('durations are read as Go writes them', async (t) => {
  const table: [string, number | undefined][] = [
    ['10s', 10_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['1.5s', 1500],
    ['0', 0],
    ['10', undefined],
    ['', undefined],
    ['5 m', undefined],
    ['-1s', undefined],
    ['1x', undefined],
  ];
  for (const [text, ms] of table) t.equal(parseDuration(text), ms, `'${text}'`);
});

t.test('durations of Karpenter are read as Go reads them', async (t) => {
  const table: [string, number | undefined][] = [
    ['1h30m', 5_400_000],
    ['-2.5s', -2500],
    ['+.5h', 1_800_000],
    ['100us', 0.1],
    ['0', 0],
    ['2d', undefined],
    ['.s', undefined],
    ['5', undefined],
    ['', undefined],
  ];
  for (const [text, ms] of table) t.equal(parseGoDuration(text), ms, `'${text}'`);
});

t.test('a formatted duration is read back', async (t) => {
  fc.assert(fc.property(fc.nat(), (ms) => parseDuration(formatDuration(ms)) === ms));
  t.equal(formatDuration(90_000), '1m30s');
});
