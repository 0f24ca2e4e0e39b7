import { createHash } from 'node:crypto';
import { messageOf } from '../../kube/errors.ts';
import { pacedSeconds } from '../../kube/testing/pace.ts';
import { locateCatalogue } from '../ground/aws/catalogue/locate.ts';
import { type Ground, type GroundOptions, up } from '../ground/ground.ts';
import { progressOn } from '../ground/host/progress.ts';
import { componentsImage } from '../ground/image/image.ts';
import { cacheRoot } from '../ground/paths.ts';
import type { Request } from '../rights/requests.ts';
import { POLICIES } from '../support/account.ts';
import { installComponents } from '../support/components.ts';
import { judgeRights, requestsOn } from './rights.ts';
import { type Ran, runFiles, schedule } from './runfile.ts';
import { findTests, type TestFile } from './suites.ts';

/** Test files on the clusters that the run brings up for them. */

/** Grounds of two checkouts on one machine get different names. */
const GROUNDS = `test-${createHash('sha256').update(process.cwd()).digest('hex').slice(0, 6)}`;
const progress = progressOn(process.stdout);

const onGround = async <T>(options: GroundOptions, work: (ground: Ground) => Promise<T>): Promise<T> => {
  const ground = await schedule.during(`up ${options.name}`, () => up({ ...options, progress }));
  try {
    return await work(ground);
  } finally {
    await schedule.during(`down ${options.name}`, () => ground.down());
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

/** What a lane runs, one after the other. */
export type Part = () => Promise<readonly Ran[]>;

/** One cluster for files that need no more than an API server. */
export const onSharedGround = async (files: Iterable<TestFile>): Promise<readonly Ran[]> => {
  const all = [...files];
  if (all.length === 0) return [];
  return onGround({ name: `${GROUNDS}-a` }, async (ground) => {
    await applyDefinitions(ground);
    return runFiles(all, envOf(ground));
  });
};

/** A lane that breaks off does not end the others. */
export const runLane = async (parts: readonly Part[]): Promise<readonly Ran[]> => {
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
export const onWholeClusters = async (files: Iterable<TestFile>): Promise<readonly Ran[]> => {
  const all = [...files];
  if (all.length === 0) return [];
  // Both load it, and one at a time can build it.
  await schedule.during('the image', () => componentsImage(cacheRoot(process.env)));
  const rest = all.values();
  const requests: (readonly Request[])[] = [];
  const lanes = ['b', 'c'].slice(0, all.length).map((letter) =>
    runLane([
      () =>
        onGround({ name: `${GROUNDS}-${letter}`, cloud: true, realNode: true }, async (ground) => {
          await schedule.during(`install ${ground.name}`, () => installComponents(ground, progress));
          const ran = await runFiles(rest, envOf(ground));
          const asked = await requestsOn(ground);
          if (asked !== undefined) requests.push(asked);
          return ran;
        }),
    ]),
  );
  const ran = (await Promise.all(lanes)).flat();
  // Other backends write no audit log.
  if (requests.length === 0) return ran;
  // A right that no suite uses is known once all of them ran.
  const isWhole = findTests().every(
    ({ path, need }) => need !== 'whole-cluster' || all.some((file) => file.path === path),
  );
  return [...ran, { tally: judgeRights(requests.flat(), isWhole) }];
};
