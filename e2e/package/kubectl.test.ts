import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import t from 'tap';
import { NODES } from '../../api/resources.ts';
import { paced } from '../../kube/testing/pace.ts';
import { scratch } from '../../kube/testing/scratch.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import { buildPrograms } from '../ground/build/build.ts';
import { run } from '../ground/host/command.ts';
import { SILENT } from '../ground/host/progress.ts';
import { npmTarballs } from '../ground/image/tarballs.ts';
import { cacheRoot } from '../ground/paths.ts';
import { buildPackage } from './build.ts';

/** The package as a plugin of kubectl: installed by krew itself, started by kubectl, on a cluster. */

const ROOT = join(import.meta.dirname, '..', '..');
const MINUTES = { timeout: paced(540_000) };
const cache = cacheRoot(process.env);
const { kubeconfig, client } = scratch(t, 'kubectl-plugin');
const folder = mkdtempSync(join(tmpdir(), 'kubectl-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const krewRoot = join(folder, 'krew');
const bin = join(folder, 'bin');
const name = `plugin-node-${process.pid}`;

/** kubectl and Node on a PATH that krew's programs are on too, and nothing of this checkout's. */
const env = {
  PATH: [join(krewRoot, 'bin'), bin, '/usr/bin', '/bin'].join(delimiter),
  HOME: folder,
  KREW_ROOT: krewRoot,
  KREW_NO_UPGRADE_CHECK: '1',
  KUBECONFIG: kubeconfig,
};

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const kubectl = (...args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(join(bin, 'kubectl'), args, { cwd: folder, env, maxBuffer: 1 << 26 }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });

t.before(async () => {
  const programs = await buildPrograms(['controlplane', 'krew'], { cache, progress: SILENT });
  mkdirSync(bin);
  // A shell's word for the one binary that kubectl is part of.
  writeFileSync(join(bin, 'kubectl'), `#!/bin/sh\nexec '${programs.get('controlplane')}' kubectl "$@"\n`, {
    mode: 0o755,
  });
  symlinkSync(programs.get('krew') ?? '', join(bin, 'kubectl-krew'));
  symlinkSync(process.execPath, join(bin, 'node'));
  const tarballs = npmTarballs(join(cache, 'tarballs'));
  const { tarball, krewManifest } = await buildPackage(ROOT, { tarballs, out: join(folder, 'dist') });
  const args = ['install', `--manifest=${krewManifest}`, `--archive=${tarball}`];
  await run([join(bin, 'kubectl'), 'krew', ...args], { env, cwd: folder });
  await client.create(NODES, makeNode(name, { type: 'm5.xlarge', zone: 'us-west-2a' }).node);
});
t.teardown(async () => {
  await client.delete(NODES, { name }).catch(() => {});
});

t.test('kubectl finds the plugin that krew installed', MINUTES, async (t) => {
  const { out } = await kubectl('plugin', 'list');
  t.match(out, join(krewRoot, 'bin', 'kubectl-precision_packer'));
});

t.test('kubectl precision-packer report reads the cluster of the kubeconfig', MINUTES, async (t) => {
  const args = ['report', '--prices', 'table', '--region', 'us-west-2', '--scope', name, '-o', 'json'];
  const { code, out, err } = await kubectl('precision-packer', ...args, '--time-budget', '300ms');
  t.equal(code, 0, err);
  t.ok(
    JSON.parse(out).lines.some((line: { readonly name: string }) => line.name === name),
    'the node is in it',
  );
});

t.test('kubectl gives the plugin its arguments and passes its exit code on', MINUTES, async (t) => {
  const { code, err } = await kubectl('precision-packer', 'dance');
  t.equal(code, 1);
  t.match(err, /^Unknown command 'dance': see --help for all commands\.$/m);
});
