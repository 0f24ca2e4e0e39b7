import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../host/command.ts';
import { COMPILE_CACHE, canCompile } from './compilecache.ts';
import { isUnusedAtRunTime, productionFolders } from './dependencies.ts';
import { componentsPlan, librariesIn, withCompiled } from './image.ts';
import { buildImage, imageKey } from './oci.ts';

const LOCKFILE = {
  packages: {
    '': {},
    'node_modules/pino': { version: '1.0.0' },
    'node_modules/pino/node_modules/deep': { version: '2.0.0' },
    'node_modules/tap': { version: '3.0.0', dev: true },
    'node_modules/either': { version: '4.0.0', devOptional: true },
  },
};

t.test('packages for development are left out, packages within packages are not', async (t) => {
  t.strictSame(productionFolders(LOCKFILE), ['node_modules/pino', 'node_modules/pino/node_modules/deep']);
});

t.test('only files that nobody reads at run time are pruned', async (t) => {
  for (const path of [
    'README.md',
    'lib/a.js.map',
    'a.d.ts',
    'a.d.mts',
    'test/a.js',
    'docs/a.html',
    'dist-types/a.js',
  ]) {
    t.ok(isUnusedAtRunTime(path), path);
  }
  for (const path of [
    'package.json',
    'lib/a.js',
    'lib/test/a.js',
    'a.wasm',
    'LICENSE',
    'a.proto',
    'mapping.js',
  ]) {
    t.notOk(isUnusedAtRunTime(path), path);
  }
});

t.test('the libraries are those that ldd gives a path for', async (t) => {
  const ldd = [
    '\tlinux-vdso.so.1 (0x00007ffd)',
    '\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f1a)',
    '\tlibgone.so => not found',
    '\t/lib64/ld-linux-x86-64.so.2 (0x00007f1b)',
    '',
  ].join('\n');
  t.strictSame(librariesIn(ldd), ['/lib/x86_64-linux-gnu/libm.so.6', '/lib64/ld-linux-x86-64.so.2']);
});

t.test('a change of a source changes the last layer and nothing below it', async (t) => {
  const root = t.testdir({
    'package.json': '{}',
    'package-lock.json': JSON.stringify(LOCKFILE),
    node_modules: {
      pino: { 'index.js': '' },
      node: { bin: { node: t.fixture('symlink', process.execPath) } },
    },
    kube: { 'a.ts': 'one', 'a.test.ts': 'one' },
  });
  const before = await componentsPlan(root);
  writeFileSync(join(root, 'kube', 'a.test.ts'), 'two');
  t.equal(imageKey(await componentsPlan(root)), imageKey(before), 'tests are not in the image');
  writeFileSync(join(root, 'kube', 'a.ts'), 'two');
  const after = await componentsPlan(root);
  t.strictSame(
    before.layers.map((layer, index) => layer.key === after.layers[index]?.key),
    [true, true, false],
  );
  t.not(imageKey(after), imageKey(before));
});

t.test(
  'a container finds its modules compiled: it compiles none, though it could keep them',
  { skip: canCompile() ? false : 'needs root, for a root of its own' },
  async (t) => {
    const folder = t.testdir();
    const repository = join(import.meta.dirname, '..', '..', '..');
    const { layers, config } = withCompiled(await componentsPlan(repository), folder);
    const root = join(folder, 'container');
    await run(['mkdir', root]);
    for (const layer of layers) await layer.fill(root);
    const cache = join(root, COMPILE_CACHE);
    const list = () => readdirSync(cache, { recursive: true, encoding: 'utf8' }).sort();
    const before = list();
    t.ok(before.length > 50, `${before.length} modules`);
    await run(['chmod', '-R', 'a+rwX', cache]);
    // Found before the environment is the container's.
    const chroot = [(await run(['sh', '-c', 'command -v chroot'])).trim()];
    const start = [`--userspec=${config.User}`, root, ...config.Entrypoint];
    for (const main of ['kentroller', 'extender', 'webhook', 'webhook/keeper'])
      await run(['env', '-i', ...config.Env, ...chroot, ...start, `/app/${main}/main.ts`, '--help']);
    t.strictSame(list(), before);
  },
);

t.test('an image is an OCI layout whose digests are right, and is made once', async (t) => {
  const cache = t.testdir();
  let filled = 0;
  const plan = {
    name: 'docker.io/library/thing:1',
    layers: [
      {
        name: 'only',
        key: 'k',
        fill: async (folder: string) => {
          filled++;
          writeFileSync(join(folder, 'hello'), 'hello');
        },
      },
    ],
    config: { Entrypoint: ['/hello'], User: '1:1', WorkingDir: '/', Env: [] },
  };
  const path = await buildImage(plan, cache);
  t.equal(await buildImage(plan, cache), path);
  t.equal(filled, 1);
  const unpacked = join(cache, 'unpacked');
  await run(['mkdir', unpacked]);
  await run(['tar', '-xf', path, '-C', unpacked]);
  const sums = await run(['sh', '-c', `cd ${unpacked}/blobs/sha256 && for f in *; do sha256sum $f; done`]);
  const lines = sums.trim().split('\n');
  t.equal(lines.length, 3, 'layer, config, manifest');
  for (const line of lines) {
    const [sum, name] = line.split(/\s+/);
    t.equal(sum, name);
  }
});
