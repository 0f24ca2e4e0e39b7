import { parseArgs } from 'node:util';
import { messageOf } from '../../kube/errors.ts';
import { paceIn } from '../../kube/testing/pace.ts';
import { chooseBackend, hasDocker } from '../ground/backend.ts';
import { progressOn } from '../ground/host/progress.ts';
import { canUnpackPackages } from '../ground/kind/debian.ts';
import { nodeImage } from '../ground/kind/nodeimage.ts';
import { cacheRoot } from '../ground/paths.ts';
import { measure, paceOf } from './calibrate.ts';
import { onSharedGround, onWholeClusters, type Part, runLane } from './clusters.ts';
import { endRun, RUN } from './ending.ts';
import { inOrder } from './order.ts';
import { check, type Ran, runFiles, schedule, total } from './runfile.ts';
import { buildSuitePrograms } from './suiteprograms.ts';
import { findTests, type Need, type TestFile } from './suites.ts';
import { closingLine } from './tally.ts';

/** The run itself, as a process that main.ts can end at any point. */

// Every process of the run reads it from its environment.
process.env.TEST_PACE ??= `${paceOf(measure())}`;
const pace = paceIn(process.env);
/** A machine that is busy already gets no third lane. */
const BUSY = 3;
/** Most failed files that are run again alone; more failures than that are not due to other tests beside them. */
const MOST_AGAIN = 3;
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

/** The files to run, in order; lanes that share them get each file once. */
const filesWhere = (isMeant: (file: TestFile) => boolean): IterableIterator<TestFile> =>
  inOrder(findTests().filter((file) => isMeant(file) && wanted.test(file.path))).values();

const filesThatNeed = (need: Need): IterableIterator<TestFile> =>
  filesWhere((file) => file.need === need && !file.isAlone);

/** How files run, by what they need. */
const ON: Readonly<Record<Need, (files: Iterable<TestFile>) => Promise<readonly Ran[]>>> = {
  nothing: runFiles,
  'api-server': onSharedGround,
  'own-ground': runFiles,
  'whole-cluster': onWholeClusters,
};

/** Builds kind's node image ahead, which may take longer than a file may. A failure is told by the file that needs it. */
const prepareKind = async (files: readonly TestFile[]): Promise<void> => {
  if (files.length === 0 || !canUnpackPackages() || (await hasDocker())) return;
  await nodeImage(cacheRoot(process.env), progress).catch((error: unknown) => {
    process.stdout.write(`# no node image for kind: ${messageOf(error)}\n`);
  });
};

/** Lanes side by side, each with its parts one after the other. */
const inLanes = async (...lanes: readonly (readonly Part[])[]): Promise<readonly Ran[]> =>
  (await Promise.all(lanes.map(runLane))).flat();

/**
 * Files that need nothing, in two lanes, and in the second one first the suites that are alone: those load the machine, and
 * files that need nothing do not mind.
 */
const runUnitsAndAlone = async (): Promise<readonly Ran[]> => {
  const units = only === 'ground' ? [].values() : filesThatNeed('nothing');
  const alone = only === 'unit' ? [] : [...filesWhere((file) => file.isAlone)];
  const verify: Part = async () =>
    only === 'ground'
      ? []
      : [
          {
            tally: await check('types, lint, format, generated files', [
              'make',
              '--no-print-directory',
              'verify',
            ]),
          },
        ];
  const suites: Part = async () => {
    await prepareKind(alone);
    return runFiles(alone);
  };
  const rest: Part = () => runFiles(units);
  return inLanes([verify, rest], [suites, rest]);
};

/**
 * Clusters side by side, since suites mostly wait for machines, leases and grace periods; a lane that is done helps the others.
 * The whole clusters come last, by themselves: Karpenter buys a machine for any pod that waits a second.
 */
const runOnGrounds = async (): Promise<readonly Ran[]> => {
  const ownGround = filesThatNeed('own-ground');
  const own: Part = () => runFiles(ownGround);
  const shared: Part = () => onSharedGround(filesThatNeed('api-server'));
  const isWide = pace < BUSY && (await chooseBackend(process.env)) === 'modules';
  const ran = await inLanes([shared, own], [own], ...(isWide ? [[own]] : []));
  return [...ran, ...(await runLane([() => onWholeClusters(filesThatNeed('whole-cluster'))]))];
};

/**
 * Runs a few failed files once more, each alone on a fresh cluster. That result counts, and the second run is reported.
 */
const runAgain = async (ran: readonly Ran[]): Promise<readonly Ran[]> => {
  const isToRunAgain = ({ file, tally }: Ran): boolean =>
    file !== undefined && file.need !== 'nothing' && tally.failed > 0;
  const files = ran.filter(isToRunAgain).flatMap(({ file }) => file ?? []);
  if (files.length > MOST_AGAIN) return ran;
  const again: Ran[] = [];
  for (const file of files) {
    process.stdout.write(`# again, alone: ${file.path}\n`);
    const once = await runLane([() => ON[file.need]([file])]);
    if (total(once).failed === 0)
      process.stdout.write(`# flaky: ${file.path} failed beside others and passed alone\n`);
    again.push(...once);
  }
  return [...ran.filter((each) => !isToRunAgain(each)), ...again];
};

const runAll = async (): Promise<readonly Ran[]> => {
  await buildSuitePrograms(({ path }) => wanted.test(path), progress);
  const units = await runUnitsAndAlone();
  return only === 'unit' ? units : runAgain([...units, ...(await runOnGrounds())]);
};

process.stdout.write(`# pace: ${pace}; deadlines are ${pace} times those of a quiet machine\n`);
const ran = await runLane([runAll]);
for (const line of schedule.lines()) process.stdout.write(`${line}\n`);
for (const { file, skipped = [] } of ran)
  for (const { test, why } of skipped) process.stdout.write(`# skipped: ${file?.path}: ${test}: ${why}\n`);
for (const { file, tally } of ran)
  if (tally.failed > 0) process.stdout.write(`# failed: ${file?.path ?? 'a part of the run, told above'}\n`);
const tally = total(ran);
process.stdout.write(`${closingLine(tally)}\n`);
process.exitCode = tally.failed === 0 ? 0 : 1;
