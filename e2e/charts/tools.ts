import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { mustGet } from '../../api/mustget.ts';
import { buildPrograms } from '../ground/build/build.ts';
import type { ProgramName } from '../ground/build/programs.ts';
import { run } from '../ground/host/command.ts';
import { SILENT } from '../ground/host/progress.ts';
import { cacheRoot } from '../ground/paths.ts';

/** helm and kubectl, built from their modules, on this checkout. */

export const ROOT = join(import.meta.dirname, '..', '..');
export const CRDS_CHART = 'charts/precision-packer-crds';
export const CHART = 'charts/precision-packer';
export const KENTROLLER_CHART = `${CHART}/charts/castai-kentroller`;
export const PINNER_CHART = `${CHART}/charts/castai-pod-pinner`;

/** The path of a program. The first call of a machine builds it, which takes minutes. */
export async function program(name: ProgramName, env = process.env): Promise<string> {
  return mustGet(await buildPrograms([name], { cache: cacheRoot(env), progress: SILENT }), name, 'program');
}

export const helm = async (...args: readonly string[]): Promise<string> =>
  run([await program('helm'), ...args], { cwd: ROOT });

export interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** The objects of a YAML stream, by kind, namespace and name. Throws when one is there twice. */
export function objectsIn(text: string): ReadonlyMap<string, Rendered> {
  const all = new Map<string, Rendered>();
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS() as Rendered | null;
    if (object === null) continue;
    const { namespace = '', name } = object.metadata;
    const id = `${object.kind} ${namespace}/${name}`;
    if (all.has(id)) throw new Error(`${id} is there twice`);
    all.set(id, object);
  }
  return all;
}

/** What charts render to, together. */
export async function rendered(
  charts: readonly (readonly [folder: string, ...values: readonly string[]])[],
  namespace = 'castai-agent',
): Promise<ReadonlyMap<string, Rendered>> {
  const texts: string[] = [];
  for (const [folder, ...values] of charts)
    texts.push(await helm('template', 'release', folder, `--namespace=${namespace}`, ...values));
  return objectsIn(texts.join('\n---\n'));
}

/** What kustomize makes of a folder. */
export const kustomized = async (folder: string): Promise<ReadonlyMap<string, Rendered>> =>
  objectsIn(await run([await program('controlplane'), 'kubectl', 'kustomize', folder], { cwd: ROOT }));

/** What kustomize makes of a kustomization in a folder of its own within the checkout, beside files of a user's own. */
export async function kustomizedBeside(
  kustomization: object,
  files: Readonly<Record<string, string>> = {},
): Promise<ReadonlyMap<string, Rendered>> {
  const folder = mkdtempSync(join(ROOT, '.kustomization-'));
  try {
    writeFileSync(join(folder, 'kustomization.yaml'), stringify(kustomization));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    return await kustomized(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
