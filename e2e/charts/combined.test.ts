import { globSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { mustGet } from '../../api/mustget.ts';
import { mapConcurrently } from '../../kube/concurrency.ts';
import { CHART, CRDS_CHART, kustomizedBeside, type Rendered, ROOT, rendered } from './tools.ts';
import { comparable, WAYS, type Way } from './ways.ts';

/** Components of manifests/ can be combined: each pair makes what the same values of the charts make. */

const MINUTES = { timeout: 540_000 };
const AT_ONCE = 2;
type Objects = Readonly<Record<string, unknown>>;

/** The objects of the base with these components, and with further files of a user's own. */
const combined = async (ways: readonly Way[], own: Readonly<Record<string, string>> = {}): Promise<Objects> =>
  comparable(
    await kustomizedBeside(
      {
        resources: ['../manifests/base', ...Object.keys(own)],
        components: ways.map(({ component }) => `../manifests/components/${component}`),
      },
      own,
    ),
  );

const byHelm = async (ways: readonly Way[]): Promise<Objects> =>
  comparable(
    await rendered([
      [CRDS_CHART, '--set=namespace.create=true', ...ways.flatMap(({ ofCluster = [] }) => ofCluster)],
      [CHART, ...ways.flatMap(({ values = [] }) => values)],
    ]),
  );

const textOf = (object: unknown): string => JSON.stringify(object);

/** What a component makes of the base: objects that it adds or changes, and undefined for those that it takes away. */
const changesOf = (base: Objects, made: Objects): ReadonlyMap<string, unknown> =>
  new Map(
    [...new Set([...Object.keys(base), ...Object.keys(made)])]
      .filter((id) => textOf(base[id]) !== textOf(made[id]))
      .map((id) => [id, made[id]]),
  );

/** The base with all changes; of two changes to one object the later one counts. */
const changed = (base: Objects, ...changes: readonly ReadonlyMap<string, unknown>[]): Objects => {
  const all = new Map([...Object.entries(base), ...changes.flatMap((each) => [...each])]);
  return Object.fromEntries(
    [...all].filter(([, one]) => one !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
};

const settled = <T>(results: readonly PromiseSettledResult<T>[]): readonly T[] =>
  results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });

t.test('every component has its values', async (t) => {
  const components = globSync('manifests/components/*/kustomization.yaml', { cwd: ROOT });
  t.same(
    components.map((path) => basename(dirname(path))).sort(),
    WAYS.map(({ component }) => component).sort(),
  );
});

t.test('each pair of components makes what both make, as Helm does', MINUTES, async (t) => {
  const base = await combined([]);
  const alone = new Map(
    settled(
      await mapConcurrently(WAYS, AT_ONCE, async (way) => {
        const changes = changesOf(base, await combined([way]));
        return [way.component, changes] as const;
      }),
    ),
  );
  const pairs = WAYS.flatMap((one, at) => WAYS.slice(at + 1).map((other) => [one, other] as const));
  t.equal(pairs.length, 55);
  const meetings: string[] = [];
  await mapConcurrently(pairs, AT_ONCE, async (pair) => {
    const name = pair.map(({ component }) => component).join(' and ');
    const [first, second] = pair.map(({ component }) => mustGet(alone, component, 'the changes of'));
    if (!first || !second) throw new Error(name);
    const made = await combined(pair).catch((error: unknown) => ({ error: String(error) }));
    // The policy of the second scheduler is there in one half alone.
    const isMet = [...first.keys()].some((id) => second.has(id)) || /second-scheduler and without/.test(name);
    if (isMet) meetings.push(name);
    t.same(made, isMet ? await byHelm(pair) : changed(base, first, second), name);
  });
  t.ok(meetings.length >= 4, `both change the same object: ${meetings.join(', ')}`);
});

t.test('all components at once make what all of their values make', MINUTES, async (t) => {
  t.same(await combined(WAYS), await byHelm(WAYS));
});

t.test('what else is in a kustomization stays as it is', MINUTES, async (t) => {
  const own = {
    kind: 'ValidatingAdmissionPolicy',
    apiVersion: 'admissionregistration.k8s.io/v1',
    metadata: { name: 'of-the-platform' },
    spec: { validations: [{ expression: 'true' }] },
  };
  const inShop = (kind: string, name: string, rest: object = {}) => ({
    apiVersion: kind === 'Deployment' ? 'apps/v1' : 'v1',
    kind,
    metadata: { name, namespace: 'shop' },
    ...rest,
  });
  const running = (image: string) => ({
    spec: { replicas: 3, template: { spec: { containers: [{ name: 'main', image }] } } },
  });
  // Called like ours, in a namespace of others, and with the images that ours have.
  const others = [
    own,
    inShop('Deployment', 'batch-scheduler', running('registry.k8s.io/kube-scheduler:v1.33.4')),
    inShop('ServiceAccount', 'castai-kentroller'),
    ...[
      'castai-kentroller',
      'castai-pod-pinner',
      'castai-pod-pinner-webhook',
      'castai-pod-pinner-webhook-keeper',
      'castai-scheduler',
    ].flatMap((name) => [
      inShop('Deployment', name, running('precision-packer')),
      inShop('ConfigMap', name, { data: { KEY: 'theirs' } }),
    ]),
  ];
  const made = await combined(WAYS, { 'own.yaml': others.map((one) => stringify(one)).join('---\n') });
  for (const object of others) {
    const { namespace = '', name } = object.metadata as {
      readonly namespace?: string;
      readonly name: string;
    };
    const id = `${object.kind} ${namespace}/${name}`;
    t.same(made[id], object, `${id} is as it was written`);
  }
});

/** The kustomization of README.md, on this checkout. */
const documented = (edit: (text: string) => string): Promise<ReadonlyMap<string, Rendered>> => {
  const [, block] =
    /```yaml\n(# kustomization\.yaml beside .*?)```/s.exec(readFileSync('README.md', 'utf8')) ?? [];
  if (block === undefined) throw new Error('README.md has no kustomization.yaml');
  const here = edit(block)
    .replace('[dist/kustomize]', '[../manifests/base]')
    .replaceAll(/(?<=[ [])manifests\//g, '../manifests/');
  return kustomizedBeside(parse(here));
};

t.test('the kustomization of README.md installs on any cluster', MINUTES, async (t) => {
  const made = await documented((text) => text);
  t.same(made.get('ConfigMap castai-agent/castai-pod-pinner-webhook')?.data, {
    COEXISTENCE: 'on',
    LOG_LEVEL: 'debug',
  });
  const text = JSON.stringify([...made.values()]);
  t.notMatch(text, '111122223333', 'an identity that is none is worse than none');
  const base = new Set(Object.values(await combined([])).map((one) => (one as Rendered).kind));
  t.same(
    [...new Set([...made.values()].map(({ kind }) => kind))].filter((kind) => !base.has(kind)),
    ['ConfigMap'],
  );
});

t.test('all lines of the kustomization of README.md, uncommented, render', MINUTES, async (t) => {
  const role = 'arn:aws:iam::999900001111:role/own';
  const made = await documented((text) =>
    text.replaceAll(/^# (?=-| )/gm, '  ').replace(/arn:aws:iam::[^"]+/, role),
  );
  t.match(made.get('ServiceAccount castai-agent/castai-kentroller')?.metadata.annotations, {
    'eks.amazonaws.com/role-arn': role,
  });
  for (const id of ['Deployment castai-agent/castai-scheduler', 'ServiceMonitor castai-agent/castai-agent'])
    t.ok(made.has(id), id);
  t.notOk([...made.keys()].some((key) => key.startsWith('ValidatingAdmissionPolicy ')));
});

t.test('a setting of kentroller beside the component kind is a patch', MINUTES, async (t) => {
  const data = { POLICIES_PORT: '8443' };
  const metadata = { name: 'castai-kentroller', namespace: 'castai-agent' };
  const made = await kustomizedBeside({
    resources: ['../manifests/base'],
    components: ['kind', 'policies-api'].map((name) => `../manifests/components/${name}`),
    patches: [{ patch: stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data }) }],
  });
  t.match(made.get('ConfigMap castai-agent/castai-kentroller')?.data, {
    ...data,
    INSTANCE_TYPES_FILE_PATH: String,
  });
});
