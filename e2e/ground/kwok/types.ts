import { readFileSync } from 'node:fs';

/** An instance type in the file format of Karpenter's kwok provider. */
export interface KwokType {
  readonly name: string;
  readonly architecture: string;
  readonly operatingSystems: readonly string[];
  readonly resources: Readonly<Record<string, string>>;
}

const CPUS = new Set(['2', '4', '8']);

/** Families c, m, r newer than generation 2, of 2, 4 and 8 cores, for linux on amd64. */
const isUsual = (type: KwokType): boolean =>
  type.operatingSystems.includes('linux') &&
  (type.architecture === 'amd64' || type.architecture === 'x86_64') &&
  /^[cmr][3-9]\d*[a-z0-9-]*\./.test(type.name) &&
  CPUS.has(type.resources.cpu ?? '');

/** The usual types of Karpenter's file, each once, in the form that its kwok provider reads. */
export const usualTypes = (file: string): readonly KwokType[] => {
  const byName = new Map<string, KwokType>();
  for (const type of JSON.parse(readFileSync(file, 'utf8')) as readonly KwokType[]) {
    if (!isUsual(type) || byName.has(type.name)) continue;
    byName.set(type.name, { ...type, architecture: 'amd64', operatingSystems: ['linux'] });
  }
  return [...byName.values()];
};
