import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { messageOf } from '../../kube/errors.ts';
import { pacedSeconds, paceIn } from '../../kube/testing/pace.ts';
import { locateCatalogue } from '../ground/aws/catalogue/locate.ts';
import { hasDocker } from '../ground/backend.ts';
import { type Ground, type GroundOptions, up } from '../ground/ground.ts';
import { progressOn } from '../ground/host/progress.ts';
import { canUnpackPackages } from '../ground/kind/debian.ts';
import { nodeImage } from '../ground/kind/nodeimage.ts';
import { cacheRoot } from '../ground/paths.ts';
import type { Request } from '../rights/requests.ts';
import { POLICIES } from '../support/account.ts';
import { installComponents } from '../support/components.ts';
import { measure, paceOf } from './calibrate.ts';
import { clearRegistered, endRun, RUN, registerIn } from './ending.ts';
import { judgeRights, requestsOn } from './rights.ts';
import { buildSuitePrograms } from './suiteprograms.ts';
import { findTests, type Need, type TestFile } from './suites.ts';
import { closingLine, NOTHING, sum, type Tally, tallyOf } from './tally.ts';

/** The run itself, as a process that main.ts can end at any point. */

const BIN = './node_modules/.bin';
// Every process of the run reads it from its environment.
process.env.TEST_PACE ??= `${paceOf(measure())}`;
const pace = paceIn(process.env);
/** Some long forms run for hours; at whatever pace, a file that hangs ends within an hour. */
const FILE_TIMEOUT_S = process.env.SOAK ? 6 * 3600 : Math.min(3600, Math.round(600 * pace));
/** Most failed files that are run again alone; more failures than that are not due to other tests beside them. */
const MOST_AGAIN = 3;
/** Grounds of two checkouts on one machine get different names. */
const GROUNDS = `test-${createHash('sha256').update(process.cwd()).digest('hex').slice(0, 6)}`;
const { only, files: pattern } = parseArgs({
  options: { only: { type: 'string', default: 'all' }, files: { type: 'string', default: '' } },
}).values;
const wanted = new RegExp(pattern);
const progress = progressOn(process.stdout);
/** The run's folder, known to all of its processes; main.ts has made it. */
const run = process.env[RUN] ?? '';
if (run === '') throw new Error('tests are run by make test, or by node e2e/run/main.ts');
// Nobody else would end what this run has started.
process.on('disconnect', () => {
  endRun(run).finally(() => process.exit(1));
});
process.channel?.unref();

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
      timeout: (FILE_TIMEOUT_S + 30) * 1000,
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

const check = async (title: string, argv: readonly string[]): Promise<Tally> => {
  const { code, output } = await runToEnd(argv);
  process.stdout.write(`# ${title}\n${output}`);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
};

/** The files to run; each is handed out once. */
const filesThatNeed = (need: Need): IterableIterator<TestFile> =>
  findTests()
    .filter((file) => file.need === need && wanted.test(file.path))
    .values();

/** A file's output is printed in one piece when it ends, since others run beside it. */
const runFile = async (path: string, env: Readonly<Record<string, string>>): Promise<Tally> => {
  const since = performance.now();
  const register = registerIn(run, path.replaceAll('/', '-'));
  const { code, output } = await runToEnd([`${BIN}/node`, path], {
    ...env,
    GROUND_REGISTER: register,
    TAP_TIMEOUT: `${FILE_TIMEOUT_S}`,
  });
  for (const line of await clearRegistered(register)) process.stdout.write(`# not ended: ${line}\n`);
  const tally = tallyOf(output, code);
  const seconds = ((performance.now() - since) / 1000).toFixed(1);
  const end = `${tally.failed === 0 ? 'ok' : 'not ok'} - ${path} in ${seconds} s, exit code ${code}`;
  process.stdout.write(`# ${path}\n${output}${end}\n\n`);
  return tally;
};

interface Ran {
  /** Undefined where a whole part broke off, which no second run repairs. */
  readonly file?: TestFile;
  readonly tally: Tally;
}

/** Runs one file after the other until none is left. */
const runFiles = async (
  files: Iterable<TestFile>,
  env: Readonly<Record<string, string>> = {},
): Promise<readonly Ran[]> => {
  const ran: Ran[] = [];
  for (const file of files) ran.push({ file, tally: await runFile(file.path, env) });
  return ran;
};

const total = (ran: readonly Ran[]): Tally => ran.map(({ tally }) => tally).reduce(sum, NOTHING);

const onGround = async <T>(options: GroundOptions, work: (ground: Ground) => Promise<T>): Promise<T> => {
  const ground = await up({ ...options, progress });
  try {
    return await work(ground);
  } finally {
    await ground.down();
  }
};

const envOf = (ground: Ground): Record<string, string> => ({
  KUBECONFIG: ground.kubeconfig,
  GROUND_NAME: ground.name,
  SUITE_HOST: ground.hostAddress,
});

/** CRDs of ours and of Karpenter and our admission policies, for suites that bring their own components. */
const applyDefinitions = async (ground: Ground): Promise<void> => {
  const { crds } = await locateCatalogue();
  const files = ['manifests/base/crds', ...POLICIES, ...crds].flatMap((path) => ['-f', path]);
  await ground.kubectl(['apply', '--server-side', ...files]);
  await ground.kubectl([
    'wait',
    '--for=condition=Established',
    'crd',
    '--all',
    `--timeout=${pacedSeconds(30)}`,
  ]);
};

const runUnits = async (): Promise<Tally> => {
  const checked = await check('types, lint, format, generated files', [
    'make',
    '--no-print-directory',
    'verify',
  ]);
  const files = filesThatNeed('nothing');
  return (await Promise.all([runFiles(files), runFiles(files)])).map(total).reduce(sum, checked);
};

type Part = () => Promise<readonly Ran[]>;

const onSharedGround = async (files: Iterable<TestFile>): Promise<readonly Ran[]> => {
  const all = [...files];
  if (all.length === 0) return [];
  return onGround({ name: `${GROUNDS}-a` }, async (ground) => {
    await applyDefinitions(ground);
    return runFiles(all, envOf(ground));
  });
};

/** A lane that breaks off does not end the others. */
const runLane = async (parts: readonly Part[]): Promise<readonly Ran[]> => {
  const ran: Ran[] = [];
  for (const part of parts) {
    try {
      ran.push(...(await part()));
    } catch (error) {
      process.stdout.write(`not ok - ${messageOf(error)}\n`);
      ran.push({ tally: { passed: 0, failed: 1, skipped: 0 } });
    }
  }
  return ran;
};

/** Two clusters with our components side by side, which take the files in turn. */
const onWholeClusters = async (files: Iterable<TestFile>): Promise<readonly Ran[]> => {
  const all = [...files];
  const rest = all.values();
  const requests: (readonly Request[])[] = [];
  // One after the other, since the first builds the image for both.
  let lastInstalled: Promise<unknown> = Promise.resolve();
  const lanes = ['b', 'c'].slice(0, all.length).map(async (letter) => {
    const before = lastInstalled;
    const installed = Promise.withResolvers<void>();
    lastInstalled = installed.promise;
    const part: Part = async () => {
      await before;
      return onGround({ name: `${GROUNDS}-${letter}`, cloud: true, realNode: true }, async (ground) => {
        await installComponents(ground, progress);
        installed.resolve();
        const ran = await runFiles(rest, envOf(ground));
        const asked = await requestsOn(ground);
        if (asked !== undefined) requests.push(asked);
        return ran;
      });
    };
    const ran = await runLane([part]);
    installed.resolve();
    return ran;
  });
  const ran = (await Promise.all(lanes)).flat();
  // Other backends write no audit log.
  if (requests.length === 0) return ran;
  // A right that no suite uses is known once all of them ran.
  const isWhole = findTests().every(
    ({ path, need }) => need !== 'whole-cluster' || all.some((file) => file.path === path),
  );
  return [...ran, { tally: judgeRights(requests.flat(), isWhole) }];
};

/** How files run, by what they need. */
const ON: Readonly<Record<Need, (files: Iterable<TestFile>) => Promise<readonly Ran[]>>> = {
  nothing: runFiles,
  'api-server': onSharedGround,
  'own-ground': runFiles,
  'whole-cluster': onWholeClusters,
};

/**
 * Runs a few failed files once more, each alone on a fresh cluster. That result counts, and the second run is reported.
 */
const runAgain = async (files: readonly TestFile[]): Promise<readonly Ran[]> => {
  const again: Ran[] = [];
  for (const file of files) {
    process.stdout.write(`# again, alone: ${file.path}\n`);
    const ran = await runLane([() => ON[file.need]([file])]);
    if (total(ran).failed === 0)
      process.stdout.write(`# flaky: ${file.path} failed beside others and passed alone\n`);
    again.push(...ran);
  }
  return again;
};

const isOfKind = ({ path }: TestFile): boolean => path.startsWith('e2e/ground/kind/');

/** Builds kind's node image ahead, which may take longer than a file may. A failure is told by the file that needs it. */
const prepareKind = async (): Promise<void> => {
  const isWanted = findTests().some((file) => isOfKind(file) && wanted.test(file.path));
  if (!isWanted || !canUnpackPackages() || (await hasDocker())) return;
  await nodeImage(cacheRoot(process.env), progress).catch((error: unknown) => {
    process.stdout.write(`# no node image for kind: ${messageOf(error)}\n`);
  });
};

/**
 * Two lanes side by side, since suites mostly wait for machines, leases and grace periods; a lane that is done helps
 * the other. Alone are kind's, which brings up several clusters, and the whole clusters, since Karpenter buys a machine
 * for any pod that waits a second.
 */
const runOnGrounds = async (): Promise<Tally> => {
  await prepareKind();
  const ownGround = [...filesThatNeed('own-ground')];
  const beside = ownGround.filter((file) => !isOfKind(file)).values();
  const own: Part = () => runFiles(beside);
  const shared: Part = () => onSharedGround(filesThatNeed('api-server'));
  const lanes = await Promise.all([[shared, own], [own]].map(runLane));
  const alone = await runLane([
    () => runFiles(ownGround.filter(isOfKind)),
    () => onWholeClusters(filesThatNeed('whole-cluster')),
  ]);
  const ran = [...lanes.flat(), ...alone];
  const isToRunAgain = ({ file, tally }: Ran): boolean => file !== undefined && tally.failed > 0;
  const files = ran.filter(isToRunAgain).flatMap(({ file }) => file ?? []);
  if (files.length > MOST_AGAIN) return total(ran);
  return total([...ran.filter((each) => !isToRunAgain(each)), ...(await runAgain(files))]);
};

process.stdout.write(`# pace: ${pace}; deadlines are ${pace} times those of a quiet machine\n`);
let tally = NOTHING;
try {
  await buildSuitePrograms(({ path }) => wanted.test(path), progress);
  if (only !== 'ground') tally = sum(tally, await runUnits());
  if (only !== 'unit') tally = sum(tally, await runOnGrounds());
} catch (error) {
  process.stdout.write(`not ok - ${messageOf(error)}\n`);
  tally = sum(tally, { passed: 0, failed: 1, skipped: 0 });
}
process.stdout.write(`${closingLine(tally)}\n`);
process.exitCode = tally.failed === 0 ? 0 : 1;
