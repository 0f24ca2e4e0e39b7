import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { run } from '../host/command.ts';
import type { LockedPackage } from './dependencies.ts';
import { npmTarballs, type Tarballs } from './tarballs.ts';

/** A tarball as a registry has it, and how a lock file names it. */
const publish = async (
  folder: string,
  text: string,
): Promise<{ readonly path: string; readonly locked: LockedPackage; readonly hex: string }> => {
  mkdirSync(join(folder, 'package'), { recursive: true });
  writeFileSync(join(folder, 'package', 'index.js'), text);
  const path = join(folder, 'thing-1.0.0.tgz');
  await run(['tar', '-czf', path, '-C', folder, 'package']);
  const digest = createHash('sha512').update(readFileSync(path)).digest();
  const integrity = `sha512-${digest.toString('base64')}`;
  const locked = { folder: 'node_modules/thing', name: 'thing', version: '1.0.0', integrity, license: 'MIT' };
  return { path, locked, hex: digest.toString('hex') };
};

const textsOf = (tarballs: Tarballs, locked: LockedPackage): Readonly<Record<string, string>> =>
  Object.fromEntries([...tarballs.files(locked)].map(({ path, bytes }) => [path, bytes.toString('utf8')]));

const cached = (cache: string, hex: string): string =>
  join(cache, '_cacache', 'content-v2', 'sha512', hex.slice(0, 2), hex.slice(2, 4), hex.slice(4));

const place = (from: string, to: string): void => {
  mkdirSync(join(to, '..'), { recursive: true });
  copyFileSync(from, to);
};

/** Puts an npm on the path that packs this tarball, whatever it is asked for. */
const offer = (t: Test, folder: string, tarball: string): void => {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh\nfor each; do case "$each" in --pack-destination=*) cp ${tarball} "\${each#*=}/";; esac; done\n`;
  writeFileSync(join(bin, 'npm'), script);
  chmodSync(join(bin, 'npm'), 0o755);
  const before = process.env.PATH;
  process.env.PATH = `${bin}:${before}`;
  t.teardown(() => {
    process.env.PATH = before;
  });
};

t.test('a tarball of the lock file comes from the cache, and is what is unpacked', async (t) => {
  const folder = t.testdir();
  const { path, locked, hex } = await publish(join(folder, 'good'), 'good');
  place(path, cached(join(folder, 'cache'), hex));
  const tarballs = npmTarballs(join(folder, 'own'), async () => join(folder, 'cache'));
  await tarballs.fetch([locked]);
  t.strictSame(textsOf(tarballs, locked), { 'index.js': 'good' });
});

t.test('a tarball that was changed in the cache is fetched anew', async (t) => {
  const folder = t.testdir();
  const good = await publish(join(folder, 'good'), 'good');
  const bad = await publish(join(folder, 'bad'), 'bad');
  place(bad.path, cached(join(folder, 'cache'), good.hex));
  offer(t, folder, good.path);
  const tarballs = npmTarballs(join(folder, 'own'), async () => join(folder, 'cache'));
  await tarballs.fetch([good.locked]);
  t.strictSame(textsOf(tarballs, good.locked), { 'index.js': 'good' });
});

t.test('a tarball that was changed at its source ends the build', async (t) => {
  const folder = t.testdir();
  const { locked } = await publish(join(folder, 'good'), 'good');
  const bad = await publish(join(folder, 'bad'), 'bad');
  offer(t, folder, bad.path);
  const tarballs = npmTarballs(join(folder, 'own'), async () => join(folder, 'cache'));
  await t.rejects(
    tarballs.fetch([locked]),
    /what came for thing@1\.0\.0 is not what package-lock\.json says/,
  );
  t.throws(() => tarballs.files(locked), /thing@1\.0\.0/);
});
