import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { run } from '../host/command.ts';
import { cacheRoot } from '../paths.ts';
import { COMPILE_CACHE, canCompile } from './compilecache.ts';
import { isLicence, type Lockfile } from './dependencies.ts';
import { type ComponentsPlan, componentsPlan, withCompiled } from './image.ts';
import { buildImage } from './oci.ts';
import { npmTarballs } from './tarballs.ts';

/** What the image of this checkout is made of. */

const ROOT = join(import.meta.dirname, '..', '..', '..');
const LOCKFILE = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lockfile;
const NODE = `node_modules/node-linux-${process.arch}`;
/** Read here by rules of its own, so that a package which the build overlooks is missed. */
const PRODUCTION = Object.keys(LOCKFILE.packages).filter((folder) => {
  const { dev, devOptional } = LOCKFILE.packages[folder] ?? {};
  return folder !== '' && !dev && !devOptional && !/node-(bin-)?(darwin|linux)-/.test(folder);
});

const planIn = async (folder: string): Promise<ComponentsPlan> => {
  const tarballs = npmTarballs(join(cacheRoot(process.env), 'tarballs'));
  return componentsPlan(ROOT, { tarballs, images: folder });
};

/** The digest under which a registry would have the image of a tar. */
const digestOf = async (tar: string): Promise<string> =>
  JSON.parse(await run(['tar', '-xOf', tar, 'index.json'])).manifests[0].digest;

const hash = z.strictObject({
  alg: z.enum(['SHA-256', 'SHA-512']),
  content: z.string().regex(/^([a-f0-9]{64}|[a-f0-9]{128})$/),
});
const license = z
  .strictObject({ id: z.string().regex(/^[A-Za-z0-9.+-]+$/) })
  .or(z.strictObject({ name: z.string() }));
const component = z.strictObject({
  type: z.enum(['library', 'platform', 'file', 'container']),
  'bom-ref': z.string().min(1).exactOptional(),
  group: z.string().exactOptional(),
  name: z.string().min(1),
  version: z.string().exactOptional(),
  hashes: z.array(hash).exactOptional(),
  licenses: z
    .union([
      z.array(z.strictObject({ license })).min(1),
      z.tuple([z.strictObject({ expression: z.string() })]),
      z.undefined(),
    ])
    .exactOptional(),
  cpe: z
    .string()
    .regex(/^cpe:2\.3:a:[^:]+:[^:]+:[^:]+(:\*){7}$/)
    .exactOptional(),
  purl: z
    .string()
    .regex(/^pkg:(npm|deb|generic)\/[^@]+@[^@]+$/)
    .exactOptional(),
  get components() {
    return z.array(component).exactOptional();
  },
});
/** The part of bom-1.6.schema.json of CycloneDX that we use; it allows no other property anywhere. */
const bom = z.strictObject({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.literal('1.6'),
  serialNumber: z.string().regex(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  version: z.int().min(1),
  metadata: z.strictObject({ component }),
  components: z.array(component),
  dependencies: z.array(z.strictObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

t.test('the image has a list of all that it is made of, as CycloneDX 1.6 has it', async (t) => {
  const { sbom } = await planIn(t.testdir());
  const list = bom.parse(JSON.parse(sbom));
  const refs = list.components.map((each) => each['bom-ref']);
  t.equal(new Set(refs).size, refs.length, 'no reference twice');
  const all = new Set([list.metadata.component['bom-ref'], ...refs]);
  for (const { ref, dependsOn } of list.dependencies)
    t.strictSame(
      [ref, ...dependsOn].filter((each) => !all.has(each)),
      [],
      `${ref} depends on what is listed`,
    );
  for (const folder of [...PRODUCTION, NODE]) {
    const locked = LOCKFILE.packages[folder];
    const found = list.components.find((each) => each['bom-ref'] === folder);
    const name = folder.slice(folder.lastIndexOf('node_modules/') + 13);
    t.match(found, {
      version: locked?.version,
      purl: `pkg:npm/${name.replace('@', '%40')}@${locked?.version}`,
      licenses: [{ license: { id: locked?.license } }],
      hashes: [{ alg: 'SHA-512' }],
    });
    const content = Buffer.from(found?.hashes?.[0]?.content ?? '', 'hex').toString('base64');
    t.equal(`sha512-${content}`, locked?.integrity, `${folder} has the lock file's digest`);
  }
  t.ok(
    list.components.find((each) => each.name === 'node')?.components?.[0]?.hashes,
    'the binary has a hash',
  );
  t.ok(
    list.components.some((each) => /libc\.so/.test(each.name)),
    'so have the libraries of the system',
  );
});

t.test('the terms of all that the image has go with it', async (t) => {
  const folder = t.testdir();
  const { layers } = await planIn(join(folder, 'images'));
  const root = join(folder, 'root');
  mkdirSync(root);
  for (const layer of layers) if (/dependencies|documents/.test(layer.name)) await layer.fill(root);
  const filesOf = (path: string): string[] =>
    readdirSync(join(root, path), { recursive: true, encoding: 'utf8' }).filter(
      (file) => !file.startsWith('node_modules/'),
    );
  const without = PRODUCTION.filter((each) => !filesOf(join('app', each)).some(isLicence));
  t.strictSame(without, [], 'packages without terms');
  t.ok(PRODUCTION.length > 100, `${PRODUCTION.length} packages`);
  for (const path of ['LICENSE', 'node/LICENSE']) t.ok(existsSync(join(root, 'licenses', path)), path);
  t.match(readFileSync(join(root, 'licenses', 'node', 'LICENSE'), 'utf8'), /Node\.js is licensed/);
  const inModules = readdirSync(join(root, 'app'), { recursive: true, encoding: 'utf8' });
  t.ok(
    inModules.some((path) => /notice/i.test(path)),
    'notices too',
  );
});

const needsRoot = { skip: canCompile() ? false : 'needs root, for a root of its own' };

t.test('two builds give the same image, whose modules are compiled already', needsRoot, async (t) => {
  const folder = t.testdir();
  const build = async (name: string, umask: number): Promise<string> => {
    const images = join(folder, name);
    const before = process.umask(umask);
    try {
      return await buildImage(withCompiled(await planIn(images), images), images);
    } finally {
      process.umask(before);
    }
  };
  const [one, two] = [await build('one', 0o022), await build('two', 0o077)];
  t.equal(await digestOf(one), await digestOf(two), 'the same digest');
  const sha = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
  t.equal(sha(one), sha(two), 'the same tar');

  const { layers, config } = withCompiled(await planIn(join(folder, 'one')), join(folder, 'one'));
  const root = join(folder, 'container');
  mkdirSync(root);
  for (const { name, key } of layers)
    await run(['tar', '-xf', join(folder, 'one', 'layers', `${name}-${key}.tar`), '-C', root]);
  const cache = join(root, COMPILE_CACHE);
  const list = (): string[] =>
    readdirSync(cache, { recursive: true, encoding: 'utf8', withFileTypes: false })
      .sort()
      .filter((path) => /[0-9a-f]{8}$/.test(path) && !/-\d+$/.test(path))
      .map((path) => `${path} ${sha(join(cache, path))}`);
  const before = list();
  t.ok(before.length > 50, `${before.length} modules`);
  await run(['chmod', '-R', 'a+rwX', cache]);
  // Found before the environment is the container's.
  const chroot = [(await run(['sh', '-c', 'command -v chroot'])).trim()];
  const start = [`--userspec=${config.User}`, root, ...config.Entrypoint];
  for (const main of ['kentroller', 'extender', 'webhook'])
    await run(['env', '-i', ...config.Env, ...chroot, ...start, `/app/${main}/main.ts`, '--help']);
  t.strictSame(list(), before, 'it compiles none, though it could keep them');
});
