import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Which test files there are, and what each needs. A file says so itself: what reads KUBECONFIG or GROUND_NAME wants
 * a cluster, what lies in e2e/ wants the whole of it, and what brings up grounds of its own is left alone to do so.
 */
export type Need = 'nothing' | 'api-server' | 'own-ground' | 'whole-cluster';

export interface TestFile {
  readonly path: string;
  readonly need: Need;
}

const FOLDERS = ['api', 'kube', 'planner', 'extender', 'webhook', 'kentroller', 'cli', 'e2e', 'bench'];

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

/** What a test file needs, told from its path and its text. */
export const needOf = (path: string, text: string): Need => {
  if (/^e2e\/[^/]+\.test\.ts$/.test(path)) return 'whole-cluster';
  if (/from '[^']*ground\/ground\.ts'/.test(text) && /\bup\(/.test(text)) return 'own-ground';
  return /\b(KUBECONFIG|GROUND_NAME)\b/.test(text) ? 'api-server' : 'nothing';
};

/** Every test file of the checkout, in a steady order. */
export const findTests = (): TestFile[] =>
  FOLDERS.flatMap(filesBelow)
    .sort()
    .map((path) => ({ path, need: needOf(path, readFileSync(path, 'utf8')) }));
