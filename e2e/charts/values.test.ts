import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { mustGet } from '../../api/mustget.ts';
import { chartFiles } from './list.ts';
import {
  CHART,
  CRDS_CHART,
  helm,
  KENTROLLER_CHART,
  kustomized,
  objectsIn,
  PINNER_CHART,
  type Rendered,
  ROOT,
  rendered,
} from './tools.ts';

/** Values that would render what does not work, and what charts do with them. */

const writeFiles = (folder: string, files: ReadonlyMap<string, string>): void => {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
};

const MINUTES = { timeout: 540_000 };

const REFUSED: Readonly<Record<string, readonly [chart: string, ...values: readonly string[]]>> = {
  'a port of health that probes do not ask': [KENTROLLER_CHART, '--set=settings.HEALTH_PORT=9999'],
  'a port of health as a string': [KENTROLLER_CHART, '--set-string=settings.HEALTH_PORT=9999'],
  'a port that no Service leads to': [PINNER_CHART, '--set=settings.PORT=8090'],
  'a port of admission that the webhook configuration does not name': [
    PINNER_CHART,
    '--set=webhook.settings.PORT=9443',
  ],
  'a port that components call each other at': [KENTROLLER_CHART, '--set=settings.PEER_PORT=9444'],
  'a port of the policies API that its Service does not lead to': [
    KENTROLLER_CHART,
    '--set=settings.POLICIES_PORT=8444',
  ],
  'a Lease that no right names': [KENTROLLER_CHART, '--set=settings.LEASE_NAME=mine'],
  'the label that Deployments select by': [KENTROLLER_CHART, '--set=podLabels.app=mine'],
  'a label that keeps others from evicting our pods': [
    PINNER_CHART,
    String.raw`--set-string=webhook.podLabels.autoscaling\.cast\.ai/removal-disabled=false`,
  ],
  'an annotation that the chart writes': [
    PINNER_CHART,
    String.raw`--set-string=podAnnotations.cluster-autoscaler\.kubernetes\.io/safe-to-evict=true`,
  ],
  'an address in place of a network': [PINNER_CHART, '--set=controlPlaneSchedulers={10.0.0.7}'],
  'a name in place of a network': [PINNER_CHART, '--set=controlPlaneSchedulers={control-plane}'],
  'a network longer than addresses are': [PINNER_CHART, '--set=controlPlaneSchedulers={10.0.0.0/33}'],
  'a network whose octet is too large': [PINNER_CHART, '--set=controlPlaneSchedulers={999.0.0.0/8}'],
  'a network of colons': [PINNER_CHART, '--set=controlPlaneSchedulers={::::/8}'],
  'a network with nine groups': [PINNER_CHART, '--set=controlPlaneSchedulers={1:2:3:4:5:6:7:8:9/64}'],
};

for (const [what, [chart, ...values]] of Object.entries(REFUSED))
  t.test(`refused: ${what}`, MINUTES, async (t) => {
    await t.rejects(helm('template', 'release', chart, ...values), /values don't meet/);
  });

t.test('what is said and changes nothing is taken', MINUTES, async (t) => {
  for (const [chart, ...values] of [
    [KENTROLLER_CHART, '--set=settings.HEALTH_PORT=8081', '--set=settings.POLICIES_PORT=8443'],
    [KENTROLLER_CHART, '--set-string=settings.HEALTH_PORT=8081'],
    [PINNER_CHART, '--set=webhook.settings.PORT=8443', '--set=podLabels.team=platform'],
    [
      PINNER_CHART,
      '--set=controlPlaneSchedulers={10.0.0.0/24,255.249.0.0/16,2001:db8::/64,::/0,fd00:1::2/128}',
    ],
  ] as const)
    await t.resolves(helm('template', 'release', chart, ...values), values.join(' '));
});

t.test('every label and annotation that a chart writes is kept from its values', MINUTES, async (t) => {
  const all = await rendered([[CHART, '--set=castai-kentroller.settings.QPS=50']]);
  const templates = [...all.values()].filter(({ kind }) => kind === 'Deployment');
  t.ok(templates.length >= 4);
  const schemas: Readonly<Record<string, readonly [chart: string, part: string]>> = {
    'castai-kentroller': [KENTROLLER_CHART, ''],
    'castai-pod-pinner': [PINNER_CHART, ''],
    'castai-pod-pinner-webhook': [PINNER_CHART, 'webhook'],
    'castai-pod-pinner-webhook-keeper': [PINNER_CHART, 'keeper'],
  };
  for (const { metadata, spec } of templates) {
    const [chart, part] = mustGet(new Map(Object.entries(schemas)), metadata.name, 'chart of');
    const { properties } = JSON.parse(readFileSync(join(ROOT, chart, 'values.schema.json'), 'utf8'));
    const schema = part === '' ? properties : properties[part].properties;
    const { template } = spec as { readonly template: { readonly metadata: Record<string, object> } };
    const refused = (value: string): readonly string[] => schema[value].propertyNames.not.enum;
    const written = (field: string): readonly string[] => Object.keys(template.metadata[field] ?? {});
    t.same(
      written('labels').filter((key) => !refused('podLabels').includes(key)),
      [],
      metadata.name,
    );
    t.same(
      written('annotations').filter((key) => !refused('podAnnotations').includes(key)),
      [],
      metadata.name,
    );
  }
});

t.test('a namespace of digits is a name, and no number', MINUTES, async (t) => {
  const charts = [
    [CRDS_CHART, '--set=namespace.create=true', '--set=monitoring.enabled=true'],
    [
      CHART,
      '--set=castai-pod-pinner.secondScheduler.enabled=true',
      '--set=castai-kentroller.policiesApi.enabled=true',
    ],
  ] as const;
  const plain = (objects: ReadonlyMap<string, Rendered>, namespace: string): unknown =>
    JSON.parse(
      JSON.stringify([...objects.values()]).replaceAll(
        new RegExp(`(?<![\\w-])${namespace}(?![\\w-])`, 'g'),
        'ours',
      ),
    );
  t.same(
    plain(await rendered(charts, '20260101'), '20260101'),
    plain(await rendered(charts, 'other-place'), 'other-place'),
  );
});

t.test('a tag that a user names counts, though the chart was published with a digest', MINUTES, async (t) => {
  const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
  const other = `sha256:${'fedcba9876543210'.repeat(4)}`;
  const defaults = new Map<string, unknown>([
    ['image.tag', '1.2.3'],
    ['image.digest', digest],
  ]);
  const dir = t.testdir({});
  writeFiles(dir, chartFiles({ version: '1.2.3', appVersion: '1.2.3', defaults }));
  const imageOf = async (...values: readonly string[]): Promise<string> => {
    const objects = objectsIn(await helm('template', 'release', join(dir, KENTROLLER_CHART), ...values));
    const deployment = [...objects.values()].find(({ kind }) => kind === 'Deployment');
    return /"image":"([^"]+)"/.exec(JSON.stringify(deployment))?.[1] ?? 'none';
  };
  t.equal(await imageOf(), `precision-packer@${digest}`);
  t.equal(await imageOf('--set=image.tag=2.0.0'), 'precision-packer:2.0.0');
  t.equal(await imageOf('--set=global.image.tag=2.0.0'), 'precision-packer:2.0.0');
  t.equal(await imageOf('--set=image.tag=2.0.0', `--set=image.digest=${other}`), `precision-packer@${other}`);
  t.equal(await imageOf(`--set=global.image.digest=${other}`), `precision-packer@${other}`);
});

t.test('monitoring is a switch, and the same as its kustomize component', MINUTES, async (t) => {
  const folder = join(ROOT, `.monitoring-${process.pid}`);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFiles(folder, new Map([['kustomization.yaml', 'components: [../manifests/components/monitoring]\n']]));
  const byKustomize = await kustomized(folder);
  t.same([...byKustomize.values()].map(({ kind }) => kind).sort(), [
    'ConfigMap',
    'PrometheusRule',
    'ServiceMonitor',
  ]);
  const without = await rendered([[CRDS_CHART]]);
  const all = await rendered([[CRDS_CHART, '--set=monitoring.enabled=true']]);
  t.notOk([...without.keys()].some((id) => byKustomize.has(id)));
  t.equal(all.size, without.size + byKustomize.size);
  for (const [id, object] of byKustomize) t.same(all.get(id), object, id);
});
