import { spawn } from 'node:child_process';
import { paceIn } from '../../kube/testing/pace.ts';
import { clearRegistered, RUN, registerIn } from './ending.ts';
import { Schedule } from './schedule.ts';
import type { TestFile } from './suites.ts';
import { NOTHING, type Skipped, skippedIn, sum, type Tally, tallyOf } from './tally.ts';

/** Test files and checks as processes of the run. */

const BIN = './node_modules/.bin';

/** What the whole run did when. */
export const schedule = new Schedule();

/** Some long forms run for hours; at whatever pace, a file that hangs ends within an hour. */
const timeoutSeconds = (): number =>
  process.env.SOAK ? 6 * 3600 : Math.min(3600, Math.round(600 * paceIn(process.env)));

interface Done {
  readonly code: number;
  readonly output: string;
}

/** Runs a command to its end or to its timeout, and returns its output. */
const runToEnd = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Done> =>
  new Promise((resolve, reject) => {
    const [command = '', ...args] = argv;
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
      // A process group of its own, so that everything a test leaves running can be ended with it.
      detached: true,
      // tap names the hanging test first; this ends a process that does not end even then.
      timeout: (timeoutSeconds() + 30) * 1000,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const endGroup = (): void => {
      try {
        if (child.pid) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nobody is left.
      }
    };
    child.on('error', reject);
    // Components left behind by a broken test would interfere with the next one's objects.
    child.on('exit', endGroup);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });

/** A command of the run that is no test file: one success or failure. */
export const check = async (title: string, argv: readonly string[]): Promise<Tally> => {
  const { code, output } = await schedule.during(title, () => runToEnd(argv));
  process.stdout.write(`# ${title}\n${output}`);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
};

/** A file that ran, or a part of the run. */
export interface Ran {
  /** Undefined where a whole part broke off, which no second run repairs. */
  readonly file?: TestFile;
  readonly tally: Tally;
  readonly skipped?: readonly Skipped[];
}

/** A file's output is printed in one piece when it ends, since others run beside it. */
const runFile = async (file: TestFile, env: Readonly<Record<string, string>>): Promise<Ran> => {
  const { path } = file;
  const since = performance.now();
  const register = registerIn(process.env[RUN] ?? '', path.replaceAll('/', '-'));
  const { code, output } = await runToEnd([`${BIN}/node`, path], {
    ...env,
    GROUND_REGISTER: register,
    TAP_TIMEOUT: `${timeoutSeconds()}`,
  });
  for (const line of await clearRegistered(register)) process.stdout.write(`# not ended: ${line}\n`);
  const tally = tallyOf(output, code);
  const seconds = ((performance.now() - since) / 1000).toFixed(1);
  const end = `${tally.failed === 0 ? 'ok' : 'not ok'} - ${path} in ${seconds} s, exit code ${code}`;
  process.stdout.write(`# ${path}\n${output}${end}\n\n`);
  return { file, tally, skipped: skippedIn(output) };
};

/** Runs one file after the other until none is left. */
export const runFiles = async (
  files: Iterable<TestFile>,
  env: Readonly<Record<string, string>> = {},
): Promise<readonly Ran[]> => {
  const ran: Ran[] = [];
  for (const file of files) ran.push(await schedule.during(file.path, () => runFile(file, env)));
  return ran;
};

export const total = (ran: readonly Ran[]): Tally => ran.map(({ tally }) => tally).reduce(sum, NOTHING);
