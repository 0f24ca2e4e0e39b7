import t from 'tap';
import type { Logger } from '../component/log.ts';
import { type ErrorKind, KubeError } from '../errors.ts';
import { REFUSED_RETRY_MS, RefusedWrites } from './refusedwrites.ts';

const scene = () => {
  const clock = { at: 0 };
  const lines: string[] = [];
  const log = {
    warn: ({ object, reason }: Record<string, string>, message: string) =>
      void lines.push(`${object}: ${message}: ${reason}`),
  } as unknown as Logger;
  const writes = new RefusedWrites({ log, now: () => clock.at, message: 'status is refused' });
  let tries = 0;
  const attempt = (object: string, error?: Error): Promise<boolean> =>
    writes.attempt(object, async () => {
      tries += 1;
      if (error) throw error;
    });
  return { clock, lines, attempt, tries: () => tries };
};

const refusal = (
  status: number,
  reason = 'no',
  kind: ErrorKind = status === 403 ? 'forbidden' : 'terminal',
) => new KubeError(reason, { kind, status });

for (const status of [413, 422, 403]) {
  t.test(`a write refused with ${status} is told once, and tried once a minute`, async (t) => {
    const { clock, lines, attempt, tries } = scene();
    for (const end = 10 * REFUSED_RETRY_MS; clock.at < end; clock.at += 1_000)
      t.equal(await attempt('a', refusal(status)), false);
    t.equal(tries(), 10);
    t.same(lines, ['a: status is refused: no']);
    t.equal(await attempt('b'), true, 'others are written');
    t.equal(await attempt('a'), true, 'and so is this one, once its cause is mended');
    t.equal(await attempt('a', refusal(status)), false);
    t.equal(lines.length, 2, 'what is refused again is told again');
  });
}

t.test('another reason is told, too', async (t) => {
  const { clock, lines, attempt } = scene();
  await attempt('a', refusal(413, 'too large'));
  clock.at += REFUSED_RETRY_MS;
  await attempt('a', refusal(403, 'forbidden'));
  t.same(lines, ['a: status is refused: too large', 'a: status is refused: forbidden']);
});

t.test('other errors are for the caller, and so is one of credentials', async (t) => {
  const { lines, attempt, tries } = scene();
  for (const error of [
    refusal(503, 'away', 'retryable'),
    refusal(409, 'x', 'conflict'),
    refusal(401, 'x', 'forbidden'),
  ])
    await t.rejects(attempt('a', error), error);
  t.equal(tries(), 3);
  t.same(lines, []);
});
