import { buildPrograms } from '../ground/build/build.ts';
import type { Progress } from '../ground/host/progress.ts';
import { cacheRoot } from '../ground/paths.ts';
import { findTests, type TestFile } from './suites.ts';

/** Programs that suites about charts build by themselves, built while no test's deadline runs. */
export async function buildSuitePrograms(
  isWanted: (file: TestFile) => boolean,
  progress: Progress,
): Promise<void> {
  const isNeeded = findTests().some(
    (file) => /^e2e\/((charts|publish)\/|install\.test\.ts)/.test(file.path) && isWanted(file),
  );
  const names = isNeeded ? ['helm', 'registry', 'hclfmt', 'kubeconform', 'kube-score'] : [];
  await buildPrograms(names, { cache: cacheRoot(process.env), progress });
}
