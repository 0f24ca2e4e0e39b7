import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { COMPILED } from '../ground/paths.ts';
import { endRun, RUN, registerIn } from './ending.ts';

/**
 * Runs a program, `node e2e/run/main.ts e2e/demo/main.ts --name demo`, or every test of the checkout where none is named:
 * `--only unit` without a cluster, `--only ground` the rest, all when left out; `--files PATTERN` those whose path matches.
 * Ctrl-C or SIGTERM ends it with all that it has started.
 */

const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type EndSignal = keyof typeof EXIT_CODES;

const TESTS = join(import.meta.dirname, 'testrun.ts');
const [first = '', ...others] = process.argv.slice(2);
const argv = first.endsWith('.ts') ? [first, ...others] : [TESTS, ...process.argv.slice(2)];
const isTests = argv[0] === TESTS;

const run = mkdtempSync(join(tmpdir(), 'precision-packer-run-'));
const child = spawn(process.execPath, argv, {
  // The channel tells the tests that this process is gone.
  stdio: ['ignore', 'inherit', 'inherit', ...(isTests ? (['ipc'] as const) : [])],
  // The processes of a program that have an environment of their own are told by its session.
  detached: !isTests,
  env: {
    NODE_COMPILE_CACHE: COMPILED,
    ...process.env,
    [RUN]: run,
    GROUND_REGISTER: registerIn(run, basename(argv[0] ?? '', '.ts')),
  },
});

let endedBy: EndSignal | undefined;
for (const signal of Object.keys(EXIT_CODES) as EndSignal[]) {
  process.on(signal, () => {
    endedBy ??= signal;
    child.kill('SIGKILL');
  });
}

child.on('exit', async (code, signal) => {
  // A program may answer to the signal itself, and may have started more than it has ended.
  const isCut = code === null || endedBy !== undefined;
  if (isCut) {
    const by = endedBy ?? signal ?? 'an error';
    process.stdout.write(`ending what the run has started …\n`);
    const since = performance.now();
    for (const line of await endRun(run, isTests ? undefined : child.pid))
      process.stdout.write(`# not ended: ${line}\n`);
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    process.stdout.write(`${isTests ? 'not ok - ' : ''}ended by ${by}; all is down after ${seconds} s\n`);
  }
  rmSync(run, { recursive: true, force: true });
  process.exitCode = endedBy === undefined ? (code ?? 1) : EXIT_CODES[endedBy];
});
