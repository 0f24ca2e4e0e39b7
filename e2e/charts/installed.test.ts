import t from 'tap';
import { z } from 'zod';
import { INSTALLED_OBJECTS } from '../../kube/preflight/installedobjects.ts';
import { lineOf } from './installed.ts';
import { charts } from './list.ts';
import { CHART, CRDS_CHART, kustomized, kustomizedBeside, type Rendered, rendered } from './tools.ts';
import { WAYS } from './ways.ts';

/** The list of installed objects, which `check` and `uninstall` go by, is what Helm and kustomize render. */

const MINUTES = { timeout: 540_000 };

/** Lines of rendered objects, sorted; Helm and kustomize each put a hash into the name of a ConfigMap. */
const linesOf = (objects: Iterable<Rendered>, isStock: boolean): readonly string[] =>
  [...objects]
    .map((object) => lineOf(object as Rendered & { readonly apiVersion: string }, isStock))
    .map((line) => line.replace(/(castai-scheduler-configuration)-[a-z0-9]{10}/, '$1'))
    .sort();

const known = (state: 'stock' | 'optional'): readonly string[] =>
  INSTALLED_OBJECTS.filter((line) => line.startsWith(`${state} `)).toSorted();

const isOf =
  (all: readonly string[]) =>
  (line: string): boolean =>
    all.includes(line);

t.test('an installation without options is the stock objects', MINUTES, async (t) => {
  t.same(linesOf((await kustomized('manifests/base')).values(), true), known('stock'));
  const byHelm = await rendered([[CRDS_CHART, '--set=namespace.create=true'], [CHART]]);
  t.same(linesOf(byHelm.values(), true), known('stock'));
});

t.test('what overlays and components add is on the list, and nothing else is', MINUTES, async (t) => {
  const adding = WAYS.filter(({ component }) => component !== 'without-policies');
  const all = await kustomizedBeside({
    resources: ['../manifests/base'],
    components: adding.map(({ component }) => `../manifests/components/${component}`),
  });
  const stock = new Set(known('stock').map((line) => line.replace('stock', 'optional')));
  t.same(
    linesOf(all.values(), false).filter((line) => !stock.has(line)),
    known('optional'),
  );
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
  const all = await rendered([
    [CRDS_CHART, ...ofCluster],
    [CHART, ...components, '--set=castai-pod-pinner.controlPlaneSchedulers={192.0.2.0/24}'],
  ]);
  const listed = isOf(INSTALLED_OBJECTS.map((line) => line.replace(/^\w+ /, '')));
  const unknown = linesOf(all.values(), false)
    .map((line) => line.replace(/^\w+ /, ''))
    .filter((line) => !listed(line));
  t.same(
    unknown.filter((line) => !/^ConfigMap /.test(line)),
    [],
    'check and uninstall know all that the charts install',
  );
  t.ok(all.has('MutatingAdmissionPolicy /castai-kept-nominations'), 'the switches are on');
});
