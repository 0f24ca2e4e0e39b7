import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import t from 'tap';
import { charts, checkedInFiles } from './list.ts';
import {
  CHART,
  CRDS_CHART,
  helm,
  KENTROLLER_CHART,
  kustomized,
  PINNER_CHART,
  type Rendered,
  ROOT,
  rendered,
} from './tools.ts';
import { comparable, WAYS } from './ways.ts';

/** Charts and kustomizations install the same. */

const MINUTES = { timeout: 540_000 };

const NAMESPACE = '--set=namespace.create=true';
t.test('charts/ is what `make generate` makes', async (t) => {
  const made = checkedInFiles(ROOT);
  t.ok(made.size > 40, `${made.size} files`);
  const there = globSync('charts/**/*', { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
  t.same(there.sort(), [...made.keys()].sort());
  for (const [path, text] of made)
    t.ok(readFileSync(join(ROOT, path), 'utf8') === text, `${path} is up to date`);
});

t.test('every overlay has its way by Helm', async (t) => {
  const overlays = globSync('manifests/overlays/*/kustomization.yaml', { cwd: ROOT });
  t.same(
    overlays.map((path) => basename(dirname(path))).sort(),
    WAYS.flatMap(({ overlay }) => overlay ?? []).sort(),
  );
});

const FOLDERS = [
  { folder: 'manifests/base', values: [], ofCluster: [] },
  ...WAYS.flatMap(({ overlay, values = [], ofCluster = [] }) =>
    overlay === undefined ? [] : [{ folder: `manifests/overlays/${overlay}`, values, ofCluster }],
  ),
];
for (const { folder, values, ofCluster } of FOLDERS)
  t.test(`the charts render to what kustomize makes of ${folder}`, MINUTES, async (t) => {
    const byKustomize = comparable(await kustomized(folder));
    const byHelm = comparable(
      await rendered([
        [CRDS_CHART, NAMESPACE, ...ofCluster],
        [CHART, ...values],
      ]),
    );
    t.ok(Object.keys(byKustomize).length > 40);
    t.same(Object.keys(byHelm), Object.keys(byKustomize));
    for (const [id, object] of Object.entries(byKustomize)) t.same(byHelm[id], object, id);
  });

t.test('one place sets the image, by Helm as by kustomize', MINUTES, async (t) => {
  const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
  const folder = join(ROOT, `.images-${process.pid}`);
  mkdirSync(folder);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'kustomization.yaml'),
    `resources: [../manifests/base]\nimages: [{name: precision-packer, newName: registry.example.com/platform/precision-packer, digest: '${digest}'}]\n`,
  );
  const byKustomize = comparable(await kustomized(folder));
  const image = [
    '--set=global.registry=registry.example.com/platform',
    `--set=global.image.digest=${digest}`,
  ];
  const byHelm = comparable(
    await rendered([
      [CRDS_CHART, NAMESPACE],
      [CHART, ...image],
    ]),
  );
  t.same(byHelm, byKustomize);
  t.equal(JSON.stringify(byHelm).split(`registry.example.com/platform/precision-packer@${digest}`).length, 5);
});

t.test('two releases of one component each are the umbrella in two parts', MINUTES, async (t) => {
  const parts = await rendered([[KENTROLLER_CHART], [PINNER_CHART]]);
  t.same(comparable(parts), comparable(await rendered([[CHART]])));
  for (const [off, chart] of [
    ['castai-pod-pinner', KENTROLLER_CHART],
    ['castai-kentroller', PINNER_CHART],
  ] as const) {
    const alone = await rendered([[CHART, `--set=${off}.enabled=false`]]);
    t.same(comparable(alone), comparable(await rendered([[chart]])), `without ${off}`);
  }
});

t.test('in another namespace nothing speaks of castai-agent', MINUTES, async (t) => {
  const all = await rendered(
    [
      [CRDS_CHART, NAMESPACE],
      [CHART, '--set=castai-pod-pinner.secondScheduler.enabled=true'],
    ],
    'rebalancing',
  );
  const left = [...all.values()]
    .map((object) => JSON.stringify(object))
    .flatMap((text) =>
      [...text.matchAll(/.{0,40}(?<![\w-])castai-agent(?![\w-]).{0,20}/g)].map(([found]) => found),
    );
  // FlowSchemas and their priority level are called so.
  t.same(
    left.filter((found) => !/"name":"castai-agent"/.test(found)),
    [],
  );
  t.ok(left.length > 0);
});

t.test('helm lint finds nothing to say', MINUTES, async (t) => {
  for (const { folder } of charts())
    t.notMatch(await helm('lint', '--strict', folder), /WARNING|ERROR/, folder);
});

t.test('values that nobody reads are refused, and so are settings that are none', MINUTES, async (t) => {
  const refused: readonly (readonly [string, string])[] = [
    [KENTROLLER_CHART, '--set=replica=3'],
    [KENTROLLER_CHART, '--set=settings.NODE_OPTIONS=--inspect'],
    [KENTROLLER_CHART, '--set=settings.API_KEY=secret'],
    [KENTROLLER_CHART, '--set=image.digest=latest'],
    [PINNER_CHART, '--set=webhook.replicas=two'],
    [PINNER_CHART, '--set=image.tag='],
    [CHART, '--set=kentroller.replicas=1'],
    [CHART, '--set=castai-kentroller.replica=1'],
    [CRDS_CHART, '--set=policies.on=false'],
  ];
  for (const [folder, value] of refused) await t.rejects(helm('template', 'release', folder, value), value);
  for (const [folder, value] of [
    [CHART, '--set=managedByCASTAI=false'],
    [PINNER_CHART, '--set=managedByCASTAI=false'],
    [KENTROLLER_CHART, '--set=managedByCASTAI=true'],
    [CHART, '--set=global.of.others=1'],
  ] as const)
    t.same(comparable(await rendered([[folder, value]])), comparable(await rendered([[folder]])), value);
});

t.test('a setting is written as it is said, and replaces pods when it changes', MINUTES, async (t) => {
  const dir = t.testdir({
    'values.yaml':
      'settings:\n  QPS: 1000000\n  VM_MEMORY_OVERHEAD_PERCENT: 0.065\n  REBALANCER_ENABLED: false\n',
  });
  const values = `--values=${join(dir, 'values.yaml')}`;
  const all = await rendered([[KENTROLLER_CHART, values]]);
  t.same(all.get('ConfigMap castai-agent/castai-kentroller')?.data, {
    QPS: '1000000',
    VM_MEMORY_OVERHEAD_PERCENT: '0.065',
    REBALANCER_ENABLED: 'false',
  });
  const sum = (objects: ReadonlyMap<string, Rendered>): string =>
    /checksum\/settings":"(\w+)/.exec(
      JSON.stringify(objects.get('Deployment castai-agent/castai-kentroller')),
    )?.[1] ?? 'none';
  t.equal(sum(await rendered([[KENTROLLER_CHART]])), 'none');
  t.not(sum(await rendered([[KENTROLLER_CHART, values, '--set=settings.QPS=50']])), sum(all));
  t.ok(existsSync(join(dir, 'values.yaml')));
});
