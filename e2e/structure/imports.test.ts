import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '..', '..');
// Measures the client's informer beside our cache.
const PEER = 'bench/kube/peer.ts';

t.test('nothing outside kube/ uses the watch or the informer of the Kubernetes client', async (t) => {
  const files = globSync('{api,kube,planner,extender,webhook,kentroller,cli,e2e,bench}/**/*.ts', {
    cwd: root,
  });
  t.ok(files.length > 50, `${files.length} files`);
  const users = files.filter(
    (path) =>
      !path.startsWith('kube/') &&
      path !== PEER &&
      /from '@kubernetes\/client-node/.test(readFileSync(join(root, path), 'utf8')),
  );
  t.same(users, []);
});

t.test('kube/ takes only the small parts of the client, since the whole costs 70 MB', async (t) => {
  const files = globSync('kube/**/*.ts', { cwd: root }).filter((path) => !path.endsWith('.test.ts'));
  const imports = files.flatMap((path) =>
    [...readFileSync(join(root, path), 'utf8').matchAll(/from '(@kubernetes\/client-node[^']*)'/g)].map(
      (m) => m[1],
    ),
  );
  t.same([...new Set(imports)].sort(), [
    '@kubernetes/client-node/dist/config_types.js',
    '@kubernetes/client-node/dist/exec_auth.js',
  ]);
});
