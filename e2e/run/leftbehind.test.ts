import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { endRun, RUN } from './ending.ts';

const skip = process.platform === 'linux' ? false : 'processes are found through /proc';

// A file of a run with a process that does not have the environment of the run, as components of a suite have not.
const FILE = `const { spawn } = require('node:child_process');
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1e6)'], { env: {}, stdio: 'ignore' });
  process.stdout.write(String(child.pid) + '\\n');
  setInterval(() => {}, 1e6);`;

// One that nobody has waited for has no command line.
const isThere = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
};

t.test('fault: a process with an environment of its own outlives the run', { skip }, async (t) => {
  const run = mkdtempSync(join(tmpdir(), 'pp-left-'));
  t.teardown(() => rmSync(run, { recursive: true }));
  const file = spawn(process.execPath, ['--eval', FILE], {
    env: { ...process.env, [RUN]: run },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = once(file, 'exit');
  const [text] = await once(file.stdout, 'data');
  const child = Number(String(text));
  t.teardown(() => isThere(child) && process.kill(child, 'SIGKILL'));
  t.ok(isThere(child));
  t.strictSame(await endRun(run), []);
  await ended;
  t.notOk(isThere(child), 'nothing of the file is left');
});

t.test(
  'fault: what a program has started outlives Ctrl-C when the program is gone first',
  { skip },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'pp-left-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const program = join(folder, 'program.ts');
    writeFileSync(
      program,
      FILE.replace(
        "const { spawn } = require('node:child_process')",
        "import { spawn } from 'node:child_process'",
      ),
    );
    const main = spawn(process.execPath, ['e2e/run/main.ts', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => main.kill('SIGKILL'));
    const ended = once(main, 'exit');
    const [text] = await once(main.stdout, 'data');
    const child = Number(String(text));
    t.teardown(() => isThere(child) && process.kill(child, 'SIGKILL'));
    t.ok(isThere(child));
    main.kill('SIGINT');
    t.strictSame(await ended, [130, null]);
    t.notOk(isThere(child), 'nothing of the program is left');
  },
);
