import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endRun, RUN, registerIn } from './ending.ts';

/**
 * Runs every test of the checkout: `--only unit` without a cluster, `--only ground` the rest, all when left out;
 * `--files PATTERN` those whose path matches. Ctrl-C or SIGTERM ends the run with all that it has started.
 */

const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type EndSignal = keyof typeof EXIT_CODES;

const run = mkdtempSync(join(tmpdir(), 'precision-packer-run-'));
const tests = spawn(process.execPath, [join(import.meta.dirname, 'testrun.ts'), ...process.argv.slice(2)], {
  // The channel tells the tests that this process is gone.
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  env: { ...process.env, [RUN]: run, GROUND_REGISTER: registerIn(run, 'shared') },
});

let endedBy: EndSignal | undefined;
for (const signal of Object.keys(EXIT_CODES) as EndSignal[]) {
  process.on(signal, () => {
    endedBy ??= signal;
    tests.kill('SIGKILL');
  });
}

tests.on('exit', async (code, signal) => {
  if (code === null) {
    const by = endedBy ?? signal ?? 'an error';
    process.stdout.write(`ending what the run has started …\n`);
    const since = performance.now();
    for (const line of await endRun(run)) process.stdout.write(`# not ended: ${line}\n`);
    process.stdout.write(
      `not ok - ended by ${by}; all is down after ${((performance.now() - since) / 1000).toFixed(1)} s\n`,
    );
  }
  rmSync(run, { recursive: true, force: true });
  process.exitCode = code ?? (endedBy === undefined ? 1 : EXIT_CODES[endedBy]);
});
