import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import type { Part } from '../../kube/preflight/facts.ts';
import { cluster } from './cluster.ts';
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

/** An object as one line: whether it is stock, which charts hold it, kind, plural with version and group, name, namespace. */
export const lineOf = (
  { apiVersion, kind, metadata }: Identity,
  o: { readonly isStock: boolean; readonly part: Part },
): string => {
  const [version, group] = apiVersion.split('/').reverse();
  const { name, namespace } = metadata;
  return [
    o.isStock ? 'stock' : 'optional',
    o.part,
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

/** Which of our charts holds an object: that of what a cluster has once names its manifests, and one object as text. */
const partOf = (): ((object: Identity) => Part) => {
  const ofCluster = new Set(
    cluster().templates.flatMap(({ manifest, text = '' }) =>
      manifest !== undefined
        ? objectsOf(manifest).map(({ id }) => id)
        : [...text.matchAll(/^kind: (\w+)\nmetadata:\n {2}name: (\S+)$/gm)].map(
            ([, kind, name]) => `${kind}/${name}`,
          ),
    ),
  );
  return ({ kind, metadata }) => (ofCluster.has(`${kind}/${metadata.name}`) ? 'cluster' : 'components');
};

/** A line for each object, those of the base first. */
export const installedLines = (): readonly string[] => {
  const optional = globSync('{components,overlays}/*/kustomization.yaml', { cwd: MANIFESTS }).sort();
  const part = partOf();
  const lines = (folder: string, isStock: boolean): readonly string[] =>
    objectsIn(folder).map((object) => lineOf(object, { isStock, part: part(object) }));
  return [...lines('base', true), ...new Set(optional.flatMap((path) => lines(dirname(path), false)))];
};

/** The text of kube/preflight/installedobjects.ts. */
export const installedModule = (): string => `/**
 * Objects that an installation may consist of, one a line: whether each installation has it, which charts hold it, kind, plural with version and group,
 * name, namespace. Made from manifests/ by \`make generate\`.
 */
export const INSTALLED_OBJECTS: readonly string[] = [
${installedLines()
  .map((line) => `  '${line}',`)
  .join('\n')}
];
`;
