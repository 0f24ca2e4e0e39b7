import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../host/command.ts';
import { isUnusedAtRunTime, type Lockfile, nodePackage, productionPackages } from './dependencies.ts';
import { componentsPlan } from './image.ts';
import { buildImage, imageKey } from './oci.ts';
import { librariesIn } from './systemfiles.ts';
import type { Tarballs } from './tarballs.ts';

const INTEGRITY = `sha512-${Buffer.from('0'.repeat(64)).toString('base64')}`;
const LOCKFILE: Lockfile = {
  packages: {
    '': {},
    'node_modules/pino': { version: '1.0.0', integrity: INTEGRITY, license: 'MIT' },
    'node_modules/pino/node_modules/deep': { version: '2.0.0', integrity: INTEGRITY },
    'node_modules/tap': { version: '3.0.0', dev: true },
    'node_modules/either': { version: '4.0.0', devOptional: true },
    [`node_modules/node-linux-${process.arch}`]: { version: '5.0.0', integrity: INTEGRITY },
  },
};

t.test('packages for development are left out, packages within packages are not', async (t) => {
  t.match(productionPackages(LOCKFILE), [
    { folder: 'node_modules/pino', name: 'pino', version: '1.0.0', license: 'MIT' },
    { folder: 'node_modules/pino/node_modules/deep', name: 'deep', version: '2.0.0' },
  ]);
  t.equal(productionPackages(LOCKFILE).length, 2);
});

t.test('a package without a digest in the lock file is not built in', async (t) => {
  const packages = { 'node_modules/pino': { version: '1.0.0' } };
  t.throws(() => productionPackages({ packages }), /no sha512 of node_modules\/pino/);
  t.throws(() => nodePackage({ packages }), /no node_modules\/node-linux/);
});

t.test('only files that nobody reads at run time are pruned', async (t) => {
  for (const path of [
    'README.md',
    'lib/a.js.map',
    'a.d.ts',
    'a.d.mts',
    'src/a.ts',
    'test/a.js',
    'docs/a.html',
    'dist-types/a.js',
    'license.d.ts',
  ]) {
    t.ok(isUnusedAtRunTime(path), path);
  }
  for (const path of [
    'package.json',
    'lib/a.js',
    'lib/test/a.js',
    'a.wasm',
    'LICENSE',
    'LICENSE.md',
    'license-mit.md',
    'NOTICE.md',
    'docs/COPYING.md',
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

/** Packages that hold nothing but this test's Node. */
const noTarballs: Tarballs = {
  fetch: async () => {},
  files: () => [{ path: 'bin/node', isExecutable: true, bytes: readFileSync(process.execPath) }],
};

t.test('a change of a source changes the last layer and nothing below it', async (t) => {
  const root = t.testdir({
    'package.json': '{"name": "thing", "version": "1.0.0", "license": "MIT"}',
    'package-lock.json': JSON.stringify(LOCKFILE),
    kube: { 'a.ts': 'one', 'a.test.ts': 'one' },
  });
  const planned = () => componentsPlan(root, { tarballs: noTarballs, images: join(root, 'images') });
  const before = await planned();
  writeFileSync(join(root, 'kube', 'a.test.ts'), 'two');
  t.equal(imageKey(await planned()), imageKey(before), 'tests are not in the image');
  writeFileSync(join(root, 'kube', 'a.ts'), 'two');
  const after = await planned();
  t.strictSame(
    before.layers.map((layer, index) => layer.key === after.layers[index]?.key),
    [true, true, true, false],
  );
  t.not(imageKey(after), imageKey(before));
});

t.test('an image is an OCI layout whose digests are right, and is made once', async (t) => {
  const cache = t.testdir();
  let filled = 0;
  const plan = {
    name: 'docker.io/library/thing:1',
    architecture: 'amd64' as const,
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
