import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/**
 * All test files and what each needs, judged by its imports. Files that reach the ground's module bring up grounds
 * themselves, files that read KUBECONFIG need an API server, and files directly in e2e/ need the whole cluster. Files that import
 * e2e/run/alone.ts want no other cluster beside them.
 */
export type Need = 'nothing' | 'api-server' | 'own-ground' | 'whole-cluster';

export interface TestFile {
  readonly path: string;
  readonly need: Need;
  /** No other cluster is beside it. */
  readonly isAlone: boolean;
}

const FOLDERS = [
  'api',
  'kube',
  'planner',
  'cloud',
  'extender',
  'webhook',
  'kentroller',
  'cli',
  'e2e',
  'bench',
];
const GROUND = 'e2e/ground/ground.ts';
const ALONE = 'e2e/run/alone.ts';

const filesBelow = (folder: string): string[] => {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !path.includes('node_modules'));
  } catch {
    return [];
  }
};

/** The files of ours that a source text imports for more than their types. */
const importsOf = (path: string, text: string): string[] =>
  [...text.matchAll(/^(?:import|export)\s(?!type\b)[^;']*from '(\.[^']+\.ts)'/gm)].map((match) =>
    normalize(join(dirname(path), match[1] ?? '')),
  );

/** A file and all our files that it imports, each with its text. */
const reach = (path: string, read: (path: string) => string): ReadonlyMap<string, string> => {
  const seen = new Map<string, string>();
  const open = [path];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    const text = read(next);
    seen.set(next, text);
    open.push(...importsOf(next, text));
  }
  return seen;
};

/** What a test file needs. `read` returns a file's text, so that no disk is needed. */
export const needOf = (path: string, read: (path: string) => string): Need => {
  if (/^e2e\/[^/]+\.test\.ts$/.test(path)) return 'whole-cluster';
  const files = reach(path, read);
  const readsCluster = [...files].some(
    ([file, text]) =>
      !/(main|options|run\/.*)\.ts$/.test(file) && /env\??\.(KUBECONFIG|GROUND_NAME)\b/.test(text),
  );
  if (files.has(GROUND)) return 'own-ground';
  return readsCluster ? 'api-server' : 'nothing';
};

/** Whether a suite says that it is to be alone. */
export const isAlone = (path: string, read: (path: string) => string): boolean =>
  importsOf(path, read(path)).includes(ALONE);

const readText = (path: string): string => readFileSync(path, 'utf8');

/** Every test file of the checkout, always in the same order. */
export const findTests = (): TestFile[] =>
  FOLDERS.flatMap(filesBelow)
    .sort()
    .map((path) => ({ path, need: needOf(path, readText), isAlone: isAlone(path, readText) }));
