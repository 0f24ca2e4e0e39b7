import t from 'tap';
import { LogLimit } from './loglimit.ts';

t.test('attack: what strangers do a thousand times is logged a few times, with the number', async (t) => {
  let now = 0;
  const limit = new LogLimit({ lines: 2, windowMs: 1_000, now: () => now });
  const lines: unknown[] = [];
  for (let i = 0; i < 1_000; i++) limit.write((more) => lines.push(more));
  t.same(lines, [{}, {}]);
  now = 1_000;
  limit.write((more) => lines.push(more));
  t.same(lines.at(-1), { leftOut: 998 });
});
