import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** Manifests as texts, one for each document. */

export const MANIFESTS = join(import.meta.dirname, '..', '..', 'manifests');

export interface ManifestObject {
  /** Kind and name, such as `Deployment/castai-kentroller`. */
  readonly id: string;
  readonly text: string;
}

export const readManifest = (path: string): string => readFileSync(join(MANIFESTS, path), 'utf8');

/** All manifests of a folder, sorted. */
export const manifestsBelow = (folder: string): readonly string[] =>
  globSync(`${folder}/*.yaml`, { cwd: MANIFESTS }).sort();

/** The documents of a manifest, in their order. */
export function objectsOf(path: string): readonly ManifestObject[] {
  return readManifest(path)
    .split(/^---\n/m)
    .map((text) => {
      const { kind, metadata } = parse(text) as { kind: string; metadata: { name: string } };
      return { id: `${kind}/${metadata.name}`, text };
    });
}

interface Deployment {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly env?: readonly {
            readonly name: string;
            readonly valueFrom?: { readonly configMapKeyRef?: { readonly name: string } };
          }[];
        }[];
      };
    };
  };
}

/** The variables that a Deployment reads from a ConfigMap. */
export function variablesFrom(path: string, configMap: string): ReadonlySet<string> {
  const found = objectsOf(path).find(({ id }) => id.startsWith('Deployment/'));
  if (!found) throw new Error(`${path} has no Deployment`);
  const { spec } = parse(found.text) as Deployment;
  const all = spec.template.spec.containers.flatMap(({ env }) => env ?? []);
  return new Set(
    all.filter(({ valueFrom }) => valueFrom?.configMapKeyRef?.name === configMap).map(({ name }) => name),
  );
}
