import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { endRun, registerIn } from './ending.ts';

t.test('fault: a ground whose folder is gone is not told as not ended', async (t) => {
  const run = mkdtempSync(join(tmpdir(), 'pp-ending-'));
  t.teardown(() => rmSync(run, { recursive: true }));
  writeFileSync(registerIn(run, 'suite'), `${join(run, 'states', 'gone')}\n`);
  t.strictSame(await endRun(run), []);
});
