import t from 'tap';
import { chart, Schedule } from './schedule.ts';

t.test('the chart shows what ran beside what, and tells short ones together', async (t) => {
  const span = (what: string, from: number, to: number) => ({ what, from: from * 1_000, to: to * 1_000 });
  const lines = chart([span('b', 60, 120), span('a', 0, 90), span('c', 1, 2), span('d', 2, 4)]);
  t.match(lines[0], /schedule of 2:00/);
  t.match(lines[1], /^# {3}0:00 {3}1:30 \|#{45} {16}\| a$/);
  t.match(lines[2], /^# {3}1:00 {3}1:00 \| {30}#{30} \| b$/);
  t.match(lines[3], /2 shorter ones, together 0:03/);
  t.equal(lines.length, 4);
});

t.test('what fails is in the chart too', async (t) => {
  const schedule = new Schedule();
  await t.rejects(
    schedule.during('x', () => Promise.reject(new Error('no'))),
    /no/,
  );
  t.match(schedule.lines().at(-1), /1 shorter ones/);
});
