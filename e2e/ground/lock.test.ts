import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { withLock } from './lock.ts';

t.test('a second one is refused while the first works, and let in afterwards', async (t) => {
  const path = join(t.testdir(), 'lock');
  await withLock(path, 'ground x', async () => {
    await t.rejects(
      withLock(path, 'ground x', async () => {}),
      new RegExp(`ground x is being changed by process ${process.pid}`),
    );
  });
  t.equal(await withLock(path, 'ground x', async () => 7), 7);
  t.notOk(existsSync(path));
});

t.test('the lock of a process that is gone is taken', async (t) => {
  const path = join(t.testdir(), 'lock');
  writeFileSync(path, JSON.stringify({ pid: process.pid, startTicks: '1' }));
  t.equal(await withLock(path, 'ground x', async () => 7), 7);
});

t.test('a failure gives the lock back', async (t) => {
  const path = join(t.testdir(), 'lock');
  await t.rejects(
    withLock(path, 'ground x', async () => {
      throw new Error('no');
    }),
    /no/,
  );
  t.notOk(existsSync(path));
});
