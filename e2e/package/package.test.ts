import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { paced } from '../../kube/testing/pace.ts';
import { fragmentedCluster, listOf } from '../../planner/testing/builders.ts';
import { run } from '../ground/host/command.ts';
import { isLicence } from '../ground/image/dependencies.ts';
import { npmTarballs } from '../ground/image/tarballs.ts';
import { untar } from '../ground/image/untar.ts';
import { cacheRoot } from '../ground/paths.ts';
import { buildPackage, packageContents } from './build.ts';

/** The package as a newcomer gets it: built, installed into an empty folder, and run. */

const ROOT = join(import.meta.dirname, '..', '..');
const MOST_MIB = 120;
const MINUTES = { timeout: paced(480_000) };
const tarballs = npmTarballs(join(cacheRoot(process.env), 'tarballs'));
const folder = mkdtempSync(join(tmpdir(), 'package-test-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const built = buildPackage(ROOT, { tarballs, out: join(folder, 'one') });
const home = join(folder, 'home');
mkdirSync(home);
const snapshot = join(folder, 'snapshot.json');
writeFileSync(snapshot, JSON.stringify(listOf(fragmentedCluster(6, 6, 8))));

const sha = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Installs the tarball where nothing else is, with an empty cache and no network. */
const install = async (tarball: string): Promise<string> => {
  const place = join(folder, 'empty');
  mkdirSync(place);
  const cache = `--cache=${join(folder, 'cache')}`;
  await run(['npm', 'install', '--offline', '--no-audit', '--no-fund', '--prefix', place, cache, tarball], {
    cwd: place,
    env: { HOME: home },
  });
  return join(place, 'node_modules');
};
const installed = built.then(({ tarball }) => install(tarball));

/** The folders with a Node: ours, and those of the machine, which may be older. */
const nodes = [
  dirname(process.execPath),
  ...(process.env.PATH ?? '').split(delimiter).filter((each) => !each.includes('node_modules')),
].filter((each, at, all) => existsSync(join(each, 'node')) && all.indexOf(each) === at);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command of the package from an empty folder, on the Node of `node`. */
const runIn = async (
  command: string,
  args: readonly string[],
  o: { readonly node?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ran> => {
  const bin = join(await installed, '.bin', command);
  const path = [o.node ?? dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter);
  const env = { PATH: path, HOME: home, ...o.env };
  return new Promise((resolve) => {
    execFile(bin, args, { cwd: home, env, maxBuffer: 1 << 26 }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
};

t.test('two builds give the same package and manifest', MINUTES, async (t) => {
  const one = await built;
  const before = process.umask(0o077);
  t.teardown(() => process.umask(before));
  const two = await buildPackage(ROOT, { tarballs, out: join(folder, 'two') });
  t.equal(sha(one.tarball), sha(two.tarball));
  t.equal(sha(one.krewManifest), sha(two.krewManifest));
  t.match(readFileSync(one.krewManifest, 'utf8'), new RegExp(`sha256: ${sha(one.tarball)}$`, 'm'));
});

t.test('it holds what the commands need, with all terms, and nothing else', MINUTES, async (t) => {
  const packed = new Map(
    [...untar(gunzipSync(readFileSync((await built).tarball)))].map(({ path, bytes }) => [path, bytes]),
  );
  const contents = await packageContents(ROOT, tarballs);
  t.same([...packed.keys()].sort(), [...contents.keys()].sort(), 'npm packs all of it');
  const own = [...packed.keys()].filter((path) => !path.startsWith('node_modules/'));
  t.same(
    own.filter((path) => !/\.js$/.test(path)).sort(),
    [
      'LICENSE',
      'cloud/aws/table/LICENSE',
      'cloud/aws/table/listprices.jsonl',
      'README.md',
      'package.json',
    ].sort(),
  );
  t.same(
    own.filter((path) => /\.test\.|\/testing\/|^(e2e|bench|kentroller|extender|webhook)\//.test(path)),
    [],
  );
  const manifest = JSON.parse(String(packed.get('package.json')));
  t.match(manifest, { name: 'precision-packer', license: 'Apache-2.0', engines: { node: '>=20' } });
  t.same([manifest.scripts, manifest.devDependencies, manifest.private], [undefined, undefined, undefined]);
  const packages = new Set(
    [...packed.keys()].flatMap((path) => /^node_modules\/.*(?=\/package\.json$)/.exec(path) ?? []),
  );
  for (const name of Object.keys(manifest.dependencies)) t.ok(packages.has(`node_modules/${name}`), name);
  const tops = [...packages].filter(
    (each) => packed.has(`${each}/package.json`) && /node_modules\/(@[^/]+\/)?[^/]+$/.test(each),
  );
  t.same(
    tops.filter((each) => ![...packed.keys()].some((path) => path.startsWith(`${each}/`) && isLicence(path))),
    [],
    'packages without terms',
  );
  const tells = [...packed].filter(([path, bytes]) => {
    const text = bytes.toString('latin1');
    return (
      text.includes(ROOT) ||
      (!path.startsWith('node_modules/') && /\bregistry\.[\w-]+\.(org|com|io|dev)\b/.test(text))
    );
  });
  t.same(
    tells.map(([path]) => path),
    [],
    'paths of this machine, names of registries',
  );
});

t.test(`it takes no network to install, and at most ${MOST_MIB} MiB`, MINUTES, async (t) => {
  const place = await installed;
  const bytes = readdirSync(place, { recursive: true, encoding: 'utf8' })
    .map((path) => lstatSync(join(place, path)).blocks * 512)
    .reduce((sum, size) => sum + size, 0);
  t.ok(bytes < MOST_MIB * 2 ** 20, `${(bytes / 2 ** 20).toFixed(1)} MiB`);
  t.same(readdirSync(join(place, '.bin')).sort(), ['kubectl-precision_packer', 'precision-packer']);
});

t.test('in a bare folder a report is there thirty seconds after npm has begun', MINUTES, async (t) => {
  const place = join(folder, 'bare');
  mkdirSync(place);
  const { tarball } = await built;
  const cache = join(folder, 'cache');
  const env = {
    PATH: [dirname(process.execPath), process.env.PATH ?? ''].join(delimiter),
    HOME: home,
    npm_config_cache: cache,
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
    // Who runs it for the first time has nothing compiled.
    NODE_DISABLE_COMPILE_CACHE: '1',
  };
  // What an earlier npx left in the cache is what a second user of the machine finds there.
  await run(['npm', 'cache', 'add', tarball], { cwd: place, env });
  const from = performance.now();
  const args = ['--yes', `--package=${tarball}`, 'precision-packer', 'report', '--snapshot', snapshot];
  const out = await run(['npx', ...args, '--prices', 'table', '--quiet'], { cwd: place, env });
  const seconds = (performance.now() - from) / 1000;
  t.comment(`${seconds.toFixed(1)} s`);
  t.match(out, /^savings +[0-9.]+ USD a month, [0-9.]+ %$/m);
  t.ok(seconds <= paced(30_000) / 1000, `${seconds.toFixed(1)} s`);
  t.same(readdirSync(place), [], 'the folder is still bare');
});

t.test('report runs by both names, on each Node of this machine', MINUTES, async (t) => {
  t.comment(`Nodes in ${nodes.join(', ')}`);
  for (const node of nodes)
    for (const command of ['precision-packer', 'kubectl-precision_packer']) {
      const html = join(folder, 'report.html');
      const args = ['report', '--snapshot', snapshot, '--prices', 'table', '--html', html];
      const { code, out, err } = await runIn(command, args, { node });
      t.equal(code, 0, `${command} in ${node}: ${err}`);
      t.match(out, /^savings +[0-9.]+ USD a month, [0-9.]+ %$/m);
      t.match(readFileSync(html, 'utf8'), /<svg/);
      // A slow machine is told every ten seconds what is done.
      const said = err.split('\n').filter((line) => line !== '' && !/^[A-Z].* \(\d+ s\)$/.test(line));
      t.same(said, [], 'nothing but the report');
    }
});

t.test('plan and explain run too', MINUTES, async (t) => {
  const input = ['--snapshot', snapshot, '--prices', 'table', '--time-budget', '300ms'];
  const plan = await runIn('precision-packer', ['plan', 'rebalance', '-o', 'yaml', ...input]);
  t.match(plan.out, /^kind: RebalancePlan$/m, plan.err);
  const node = await runIn('precision-packer', ['explain', 'node', 'node-1', ...input]);
  t.match(node.out, /^it may be replaced: 8 pods would move$/m, node.err);
});

t.test('AWS is asked with what is in the package', MINUTES, async (t) => {
  const env = {
    AWS_ACCESS_KEY_ID: 'nobody',
    AWS_SECRET_ACCESS_KEY: 'nothing',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
  };
  for (const node of nodes) {
    const { code, out, err } = await runIn('precision-packer', ['report', '--snapshot', snapshot], {
      node,
      env,
    });
    t.equal(code, 0, err);
    t.match(err, /^Reading instance types and prices of us-west-2 from AWS \(read only: /m);
    t.match(out, /^- AWS did not tell its prices \(.*ECONNREFUSED.*\)/m);
  }
});

t.test('what goes wrong is told in one sentence, with the exit code', MINUTES, async (t) => {
  const older = `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'18.20.8'}})`;
  const table: readonly (readonly [args: string[], message: RegExp, options?: string])[] = [
    [['dance'], /^Unknown command 'dance': see --help/],
    [['report', '--snapshot', '/nowhere'], /^The snapshot \/nowhere can't be read/],
    [['report'], /^No cluster to talk to: set KUBECONFIG or --kubeconfig/],
    [['--help'], /^precision-packer needs Node\.js 20 or newer, and this is 18\.20\.8/, `--import=${older}`],
  ];
  for (const [args, message, options] of table) {
    const { code, out, err } = await runIn('precision-packer', args, {
      ...(options && { env: { NODE_OPTIONS: options } }),
    });
    t.equal(code, 1, args.join(' '));
    t.match(err, message);
    t.equal(err.trim().split('\n').length, 1, 'one line');
    t.equal(out, '');
  }
});
