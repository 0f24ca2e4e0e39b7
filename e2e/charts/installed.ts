import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { MANIFESTS, objectsOf, readManifest } from './manifests.ts';

/** All objects that an installation may consist of, read from kustomizations without kustomize. */

interface Kustomization {
  readonly resources?: readonly string[];
  readonly configMapGenerator?: readonly { readonly name: string; readonly namespace: string }[];
}

interface Identity {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** Plurals of the kinds that are installed are regular. */
const pluralOf = (kind: string): string => `${kind.toLowerCase().replace(/y$/, 'ie')}s`;

/** An object as one line: whether it is stock, kind, plural with version and group, name, namespace. */
export const lineOf = ({ apiVersion, kind, metadata }: Identity, isStock: boolean): string => {
  const [version, group] = apiVersion.split('/').reverse();
  const { name, namespace } = metadata;
  return [
    isStock ? 'stock' : 'optional',
    kind,
    [pluralOf(kind), version, ...(group === undefined ? [] : [group])].join('.'),
    name,
    ...(namespace === undefined ? [] : ['in', namespace]),
  ].join(' ');
};

/** The objects that a kustomization has of its own. */
const objectsIn = (folder: string): readonly Identity[] => {
  const { resources = [], configMapGenerator = [] } = parse(
    readManifest(join(folder, 'kustomization.yaml')),
  ) as Kustomization;
  return [
    ...resources
      .filter((path) => path.endsWith('.yaml'))
      .flatMap((path) => objectsOf(join(folder, path)))
      .map(({ text }) => parse(text) as Identity),
    ...configMapGenerator.map((metadata): Identity => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata })),
  ];
};

/** A line for each object, those of the base first. */
export const installedLines = (): readonly string[] => {
  const optional = globSync('{components,overlays}/*/kustomization.yaml', { cwd: MANIFESTS }).sort();
  return [
    ...objectsIn('base').map((object) => lineOf(object, true)),
    ...new Set(optional.flatMap((path) => objectsIn(dirname(path))).map((object) => lineOf(object, false))),
  ];
};

/** The text of kube/preflight/installedobjects.ts. */
export const installedModule = (): string => `/**
 * Objects that an installation may consist of, one a line: whether each installation has it, kind, plural with version and group,
 * name, namespace. Made from manifests/ by \`make generate\`.
 */
export const INSTALLED_OBJECTS: readonly string[] = [
${installedLines()
  .map((line) => `  '${line}',`)
  .join('\n')}
];
`;
