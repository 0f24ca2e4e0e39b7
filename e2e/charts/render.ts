import { stringify } from 'yaml';
import type { Chart, Value } from './chart.ts';
import { YamlText } from './edits.ts';
import { type ManifestObject, objectsOf } from './manifests.ts';
import { valueFiles } from './values.ts';

/** Charts from manifests: the same text, with a template where a value changes something. */

const PART_OF = 'app.kubernetes.io/part-of: precision-packer';

/** The namespace of manifests/, where a text speaks of it. */
const NAMESPACE = /(?<![\w-])castai-agent(?![\w-])/g;
/** The same, but for the names of kinds of API priority, which are called like it. */
const NAMESPACE_OF_FLOWS = /(?<!name: )(?<![\w-])castai-agent(?![\w-])/g;

export interface Version {
  readonly version: string;
  readonly appVersion: string;
  /** Defaults instead of those of the manifests, by the name of the value, for charts that are published. */
  readonly defaults?: ReadonlyMap<string, unknown>;
}

/** All files of a chart, by path relative to its folder. Throws where a value names a place that no manifest has. */
export function renderChart(chart: Chart, version: Version): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const defaults = new Map<string, unknown>(
    chart.values.flatMap((value) => ('default' in value ? [[value.name, value.default] as const] : [])),
  );
  const missing = new Set(chart.values.flatMap(({ places = [] }) => places.map(({ object }) => object)));
  for (const { file, manifest, text } of chart.templates) {
    const objects = manifest === undefined ? [] : objectsOf(manifest);
    for (const { id } of objects) missing.delete(id);
    const made = text ?? objects.map((object) => templateOf(object, chart.values, defaults)).join('---\n');
    const pattern = manifest?.endsWith('flowcontrol.yaml') ? NAMESPACE_OF_FLOWS : NAMESPACE;
    files.set(`templates/${file}`, made.replaceAll(pattern, '{{ $.Release.Namespace }}'));
  }
  for (const [name, value] of version.defaults ?? []) if (defaults.has(name)) defaults.set(name, value);
  if (missing.size > 0) throw new Error(`${chart.name}: values speak of ${[...missing].join(', ')}`);
  files.set('templates/NOTES.txt', chart.notes);
  files.set('Chart.yaml', chartFile(chart, version));
  for (const [file, text] of valueFiles(chart, defaults)) files.set(file, text);
  return files;
}

function templateOf(
  object: ManifestObject,
  values: readonly Value[],
  defaults: Map<string, unknown>,
): string {
  const yaml = new YamlText(object.text);
  addLabel(yaml);
  for (const { name, places = [] } of values)
    for (const place of places.filter((one) => one.object === object.id)) {
      if (place.read && !defaults.has(name)) defaults.set(name, place.read(yaml));
      place.edit(yaml, `.Values.${name}`);
    }
  return yaml.toString();
}

/** The label that manifests/base/kustomization.yaml gives to all objects. */
function addLabel(yaml: YamlText): void {
  if (yaml.has(['metadata', 'labels'])) yaml.insert(['metadata', 'labels'], [PART_OF]);
  else yaml.insert(['metadata'], ['labels:', `  ${PART_OF}`]);
}

function chartFile(chart: Chart, { version, appVersion }: Version): string {
  return `# Made by \`make generate\`.\n${stringify(
    {
      apiVersion: 'v2',
      name: chart.name,
      description: chart.description,
      type: 'application',
      version,
      appVersion,
      kubeVersion: '>=1.29.0-0',
      ...(chart.parts && {
        dependencies: chart.parts.map(({ name, condition }) => ({ name, version, condition })),
      }),
    },
    { lineWidth: 0 },
  )}`;
}
