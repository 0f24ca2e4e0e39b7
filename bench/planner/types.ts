import type { NodePool } from '../../api/objects.ts';
import { makePool } from '../../planner/testing/builders.ts';

interface KwokType {
  readonly name: string;
  readonly architecture: string;
  readonly operatingSystems: readonly string[];
}

/** Families c, m and r newer than generation 2, linux on amd64, as in Karpenter's getting-started NodePool. */
const isUsual = (type: KwokType): boolean =>
  type.operatingSystems.includes('linux') &&
  (type.architecture === 'amd64' || type.architecture === 'x86_64') &&
  /^[cmr][3-9]\d*[a-z0-9-]*\./.test(type.name);

/** The usual types of Karpenter's kwok file, without repetitions. */
export const usualTypes = (all: readonly KwokType[]): KwokType[] => {
  const names = new Set<string>();
  return all
    .filter((type) => isUsual(type) && !names.has(type.name) && names.add(type.name))
    .map((type) => ({ ...type, architecture: 'amd64', operatingSystems: ['linux'] }));
};

/** The NodePool of all instances, on-demand only. */
export const POOL: NodePool = makePool('default', {
  requirements: [
    { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
    { key: 'kubernetes.io/os', operator: 'In', values: ['linux'] },
    { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
  ],
});
