import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '..', '..');
const documents = globSync('**/*.md', {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|\.tap)(\/|$)/.test(path),
}).sort();

/** Paths of files of ours that a document names, such as `planner/plan/verify.ts`. */
const pathsIn = (text: string): readonly string[] =>
  [
    ...text.matchAll(
      /`((?:api|kube|planner|extender|webhook|kentroller|cli|e2e|bench|manifests|docs)\/[\w./-]*\.(?:ts|md|proto|yaml))`/g,
    ),
  ].map(([, path]) => path ?? '');

const linksIn = (text: string): readonly string[] =>
  [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
    .map(([, link]) => link ?? '')
    .filter((link) => !/^[a-z]+:/.test(link));

t.test('every file of ours that a document names is there', async (t) => {
  t.ok(documents.length > 20, `${documents.length} documents`);
  for (const document of documents) {
    // The changelog's history names files as they were.
    if (document === 'CHANGELOG.md') continue;
    const missing = pathsIn(readFileSync(join(root, document), 'utf8')).filter(
      (path) => !existsSync(join(root, path)),
    );
    t.same(missing, [], document);
  }
});

t.test('every link of a document leads somewhere', async (t) => {
  for (const document of documents) {
    const missing = linksIn(readFileSync(join(root, document), 'utf8')).filter(
      (link) => !existsSync(join(root, dirname(document), link)),
    );
    t.same(missing, [], document);
  }
});
