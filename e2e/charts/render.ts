import { stringify } from 'yaml';
import type { Chart, Value } from './chart.ts';
import { YamlText } from './edits.ts';
import { type ManifestObject, objectsOf } from './manifests.ts';
import { valueFiles } from './values.ts';
import { PUBLISHED_IMAGE } from './workload.ts';

/** Charts from manifests: the same text, with a template where a value changes something. */

const PART_OF = 'app.kubernetes.io/part-of: precision-packer';

/** The namespace of manifests/, where a text speaks of it. */
const NAMESPACE = /(?<![\w-])castai-agent(?![\w-])/g;
/** Where it is a whole scalar, which has to stay a string when it is all digits. */
const WHOLE = /(?<=^ *(?:- )?[\w./-]+: |^ *- |[{,] ?[\w./-]+: |\[)castai-agent(?= *$|[ ,}\]])/gm;
/** Kinds of API priority are called like the namespace. */
const NAMES_OF_FLOWS = /(?<=name: )castai-agent(?![\w-])/g;
/** Stand for what is put back once all edits are done. */
const BRACES = '\uE000';
const NAME = '\uE001';
/** Two braces that Helm leaves as they are. */
export const ESCAPED = '{{ "{{" }}';

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
    files.set(`templates/${file}`, inNamespace(made, manifest?.endsWith('flowcontrol.yaml') ?? false));
  }
  for (const [name, value] of version.defaults ?? []) if (defaults.has(name)) defaults.set(name, value);
  if (missing.size > 0) throw new Error(`${chart.name}: values speak of ${[...missing].join(', ')}`);
  files.set('templates/NOTES.txt', chart.notes);
  files.set('Chart.yaml', chartFile(chart, version));
  for (const [file, text] of valueFiles(chart, defaults)) files.set(file, text);
  return files;
}

function inNamespace(text: string, isOfFlows: boolean): string {
  return (isOfFlows ? text.replaceAll(NAMES_OF_FLOWS, NAME) : text)
    .replaceAll(WHOLE, '{{ $.Release.Namespace | quote }}')
    .replaceAll(NAMESPACE, '{{ $.Release.Namespace }}')
    .replaceAll(NAME, 'castai-agent');
}

function templateOf(
  object: ManifestObject,
  values: readonly Value[],
  defaults: Map<string, unknown>,
): string {
  // What looks like a template in a manifest is one of another program.
  const yaml = new YamlText(object.text.replaceAll('{{', BRACES));
  addLabel(yaml);
  for (const { name, places = [] } of values)
    for (const place of places.filter((one) => one.object === object.id)) {
      if (place.read && !defaults.has(name)) defaults.set(name, place.read(yaml));
      place.edit(yaml, `.Values.${name}`);
    }
  return yaml.toString().replaceAll(BRACES, ESCAPED);
}

/** The label that manifests/base/kustomization.yaml gives to all objects. */
function addLabel(yaml: YamlText): void {
  if (yaml.has(['metadata', 'labels', 'app.kubernetes.io/part-of'])) return;
  if (yaml.has(['metadata', 'labels'])) yaml.insert(['metadata', 'labels'], [PART_OF]);
  else yaml.insert(['metadata'], ['labels:', `  ${PART_OF}`]);
}

function chartFile(chart: Chart, { version, appVersion, defaults }: Version): string {
  const digest = defaults?.get('image.digest');
  const image = `${defaults?.get('image.tag')}@${digest}`;
  return `# Made by \`make generate\`.\n${stringify(
    {
      apiVersion: 'v2',
      name: chart.name,
      description: chart.description,
      type: 'application',
      version,
      appVersion,
      kubeVersion: '>=1.29.0-0',
      ...(digest !== undefined && { annotations: { [PUBLISHED_IMAGE]: image } }),
      ...(chart.parts && {
        dependencies: chart.parts.map(({ name, condition }) => ({ name, version, condition })),
      }),
    },
    { lineWidth: 0 },
  )}`;
}
