import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { circlesOf, isTestCode, readTree } from './tree.ts';

const root = join(import.meta.dirname, '..', '..');
const files = readTree(root);

/** The rooms that each room may import, besides itself. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  api: [],
  kube: ['api'],
  planner: ['api'],
  cloud: ['api', 'kube', 'planner'],
  extender: ['api', 'kube', 'planner'],
  webhook: ['api', 'kube', 'planner'],
  kentroller: ['api', 'kube', 'planner', 'cloud'],
  cli: ['api', 'kube', 'planner', 'cloud'],
  e2e: ['api', 'kube', 'planner', 'cloud', 'extender', 'webhook', 'kentroller', 'cli', 'bench'],
  bench: ['api', 'kube', 'planner', 'cloud', 'extender', 'webhook', 'kentroller', 'cli', 'e2e'],
};

/** The floors of the planner that each floor may import, besides itself; the files on top may import all. */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  model: [],
  scheduling: ['model'],
  cluster: ['model', 'scheduling'],
  packing: ['model', 'scheduling', 'cluster'],
  bound: ['model', 'scheduling', 'cluster', 'packing'],
  search: ['model', 'scheduling', 'cluster', 'packing', 'bound'],
  plan: ['model', 'scheduling', 'cluster', 'packing', 'bound', 'search'],
  karpenter: ['model', 'scheduling', 'cluster', 'packing', 'search'],
  pinning: ['model', 'scheduling', 'cluster'],
};

const roomOf = (path: string): string => path.split('/')[0] ?? '';
const floorOf = (path: string): string => {
  const [room, floor, file] = path.split('/');
  return room === 'planner' && file !== undefined ? (floor ?? '') : '';
};
const production = files.filter(({ path }) => !isTestCode(path));

t.test('the tree is read', async (t) => {
  t.ok(files.length > 400, `${files.length} files`);
  const paths = new Set(files.map(({ path }) => path));
  t.same(
    files.flatMap(({ path, imports }) =>
      imports.filter((next) => next.endsWith('.ts') && !paths.has(next)).map((next) => `${path} → ${next}`),
    ),
    [],
    'every import names a file that was read',
  );
});

t.test('rooms import only the rooms that they may', async (t) => {
  const wrong = files.flatMap(({ path, imports }) =>
    imports
      .filter((next) => roomOf(next) !== roomOf(path) && !ROOMS[roomOf(path)]?.includes(roomOf(next)))
      .map((next) => `${path} → ${next}`),
  );
  t.same(wrong, []);
});

t.test('floors of the planner import only the floors below them', async (t) => {
  const wrong = production.flatMap(({ path, imports }) => {
    const allowed = FLOORS[floorOf(path)];
    if (floorOf(path) === '' || roomOf(path) !== 'planner') return [];
    return imports
      .filter((next) => roomOf(next) === 'planner' && floorOf(next) !== floorOf(path))
      .filter((next) => !allowed?.includes(floorOf(next)))
      .map((next) => `${path} → ${next}`);
  });
  t.same(wrong, []);
});

t.test('production code imports nothing that only tests run', async (t) => {
  const wrong = production.flatMap(({ path, imports }) =>
    imports.filter(isTestCode).map((next) => `${path} → ${next}`),
  );
  t.same(wrong, []);
});

t.test('no file is part of a circle of imports, types included', async (t) => {
  t.same(circlesOf(files), []);
});

t.test('no source file outside api/ is over 300 lines', async (t) => {
  const long = files
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ path, lines }) => roomOf(path) !== 'api' && lines > 300)
    .map(({ path, lines }) => `${path}: ${lines}`);
  t.same(long, []);
});

t.test('no folder has more than 16 source files beside their tests', async (t) => {
  const counts = new Map<string, number>();
  for (const { path } of files) {
    if (!path.endsWith('.test.ts')) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  }
  t.same(
    [...counts].filter(([, count]) => count > 16),
    [],
  );
});

t.test('each production dependency is imported by production code, and nothing else is', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const imported = new Set(production.flatMap(({ packages }) => packages));
  t.same(
    Object.keys(dependencies).filter((name) => !imported.has(name)),
    [],
    'imported by nobody',
  );
  t.same(
    [...imported].filter((name) => dependencies[name] === undefined),
    [],
    'not in package.json',
  );
});

t.test('only the main files read process.env', async (t) => {
  const readers = production.filter(
    ({ path, text }) => /\bprocess\.env\b/.test(text) && !/(^|\/)main\.ts$/.test(path),
  );
  t.same(
    readers.map(({ path }) => path),
    [],
  );
});

t.test(
  'only the bench beside our cache uses the Kubernetes client, which takes 80 MB installed',
  async (t) => {
    const users = files.filter(({ packages }) => packages.includes('@kubernetes/client-node'));
    t.same(
      users.map(({ path }) => path),
      ['bench/kube/peer.ts'],
    );
  },
);
