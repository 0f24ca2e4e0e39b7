import { buildPrograms } from '../ground/build/build.ts';
import type { Progress } from '../ground/host/progress.ts';
import { cacheRoot } from '../ground/paths.ts';
import { findTests, type TestFile } from './suites.ts';

/** Programs that suites build by themselves, beside those of every ground. */
const PROGRAMS: readonly (readonly [RegExp, readonly string[]])[] = [
  [
    /^e2e\/((charts|publish)\/|install\.test\.ts)/,
    ['helm', 'registry', 'hclfmt', 'kubeconform', 'kube-score'],
  ],
  [/^e2e\/kentroller\/(karpenters)?buffers\.test\.ts$/, ['kwok', 'karpenter-kwok']],
];

/** Builds what suites would build by themselves, while no test's deadline runs. */
export async function buildSuitePrograms(
  isWanted: (file: TestFile) => boolean,
  progress: Progress,
): Promise<void> {
  const wanted = findTests().filter(isWanted);
  const names = PROGRAMS.flatMap(([suites, programs]) =>
    wanted.some(({ path }) => suites.test(path)) ? programs : [],
  );
  await buildPrograms(names, { cache: cacheRoot(process.env), progress });
}
