import t from 'tap';
import { z } from 'zod';
import { INSTALL_NAMESPACE } from '../../api/labels.ts';
import { OUR_MARK } from '../../kube/preflight/installed.ts';
import { INSTALLED_OBJECTS } from '../../kube/preflight/installedobjects.ts';
import { lineOf } from './installed.ts';
import { charts } from './list.ts';
import { CHART, CRDS_CHART, kustomized, kustomizedBeside, type Rendered, rendered } from './tools.ts';
import { WAYS } from './ways.ts';

/** The list of installed objects, which `check` and `uninstall` go by, is what Helm and kustomize render. */

const MINUTES = { timeout: 540_000 };

type How = Parameters<typeof lineOf>[1];

/** Lines of rendered objects, sorted; Helm and kustomize each put a hash into the name of a ConfigMap. */
const linesOf = (objects: Iterable<Rendered>, o: How): readonly string[] =>
  [...objects]
    .map((object) => lineOf(object as Rendered & { readonly apiVersion: string }, o))
    .map((line) => line.replace(/(castai-scheduler-configuration)-[a-z0-9]{10}/, '$1'))
    .sort();

const known = (state: 'stock' | 'optional'): readonly string[] =>
  INSTALLED_OBJECTS.filter((line) => line.startsWith(`${state} `)).toSorted();

/** Without the chart that holds it, which kustomize knows nothing of. */
const bare = (lines: readonly string[]): readonly string[] =>
  lines.map((line) => line.replace(/^(\w+) \w+ /, '$1 ')).toSorted();

/** Ids of what is outside of our namespace without the label by which check and uninstall know it. */
const unmarked = (objects: ReadonlyMap<string, Rendered>): readonly string[] =>
  [...objects]
    .filter(([, { metadata }]) => metadata.namespace !== INSTALL_NAMESPACE)
    .filter(([, { metadata }]) => {
      const { labels = {} } = metadata as { readonly labels?: Readonly<Record<string, string>> };
      return Object.entries(OUR_MARK).some(([key, value]) => labels[key] !== value);
    })
    .map(([id]) => id);

const isOf =
  (all: readonly string[]) =>
  (line: string): boolean =>
    all.includes(line);

const STOCK: How = { isStock: true, part: 'components' };
const OPTIONAL: How = { isStock: false, part: 'components' };

t.test('an installation without options is the stock objects', MINUTES, async (t) => {
  t.same(bare(linesOf((await kustomized('manifests/base')).values(), STOCK)), bare(known('stock')));
  const ofCluster = await rendered([[CRDS_CHART, '--set=namespace.create=true']]);
  const ofComponents = await rendered([[CHART]]);
  t.same(
    [
      ...linesOf(ofCluster.values(), { ...STOCK, part: 'cluster' }),
      ...linesOf(ofComponents.values(), STOCK),
    ].toSorted(),
    known('stock'),
    'each of the chart that check sends Helm users to',
  );
});

t.test('what overlays and components add is on the list, and nothing else is', MINUTES, async (t) => {
  const adding = WAYS.filter(({ component }) => component !== 'without-policies');
  const all = await kustomizedBeside({
    resources: ['../manifests/base'],
    components: adding.map(({ component }) => `../manifests/components/${component}`),
  });
  const stock = new Set(bare(known('stock')).map((line) => line.replace('stock', 'optional')));
  t.same(
    bare(linesOf(all.values(), OPTIONAL)).filter((line) => !stock.has(line)),
    bare(known('optional')),
  );
  t.same(unmarked(all), []);
});

t.test('with every switch of the charts on, each cluster-wide object is on the list', MINUTES, async (t) => {
  const switches = (name: string, at = ''): readonly string[] =>
    charts()
      .filter((chart) => chart.name === name)
      .flatMap(({ values }) => values)
      .filter(({ schema }) => schema instanceof z.ZodBoolean)
      .map((value) => `--set=${at}${value.name}=true`);
  const ofCluster = switches('precision-packer-crds');
  const components = ['castai-kentroller', 'castai-pod-pinner'].flatMap((name) => switches(name, `${name}.`));
  t.ok(
    ofCluster.length > 5 && components.length > 3,
    `${ofCluster.length} and ${components.length} switches`,
  );
  const once = await rendered([[CRDS_CHART, ...ofCluster]]);
  const others = await rendered([
    [CHART, ...components, '--set=castai-pod-pinner.controlPlaneSchedulers={192.0.2.0/24}'],
  ]);
  const listed = isOf(INSTALLED_OBJECTS.map((line) => line.replace(/^\w+ /, '')));
  const unknown = [
    ...linesOf(once.values(), { ...OPTIONAL, part: 'cluster' }),
    ...linesOf(others.values(), OPTIONAL),
  ]
    .map((line) => line.replace(/^\w+ /, ''))
    .filter((line) => !listed(line));
  t.same(
    unknown.filter((line) => !/^\w+ ConfigMap /.test(line)),
    [],
    'check and uninstall know all that the charts install',
  );
  t.same([...unmarked(once), ...unmarked(others)], []);
  t.ok(once.has('MutatingAdmissionPolicy /castai-kept-nominations'), 'the switches are on');
});
