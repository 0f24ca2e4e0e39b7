import { MIB_PER_GIB, RATIOS } from '../../../api/kinds/nodeconstraints.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import { type Catalogue, type InstanceType, sellingOnly } from '../../../planner/model/catalogue.ts';
import type { NodeConstraints } from '../../policies/settings.ts';

const MIB = 1_024 * 1_024;
const MILLI = 1_000;
/** A machine's memory as it is sold, in MiB; what the hypervisor leaves of it is less. */
const SOLD_MEMORY = 'karpenter.k8s.aws/instance-memory';
/** How far the memory of a machine that does not say what was sold may be below a ratio. */
const OVERHEAD = 0.15;

const memoryMib = ({ labels, capacity }: InstanceType): { readonly mib: number; readonly slack: number } => {
  const sold = Number(valueAt(labels, SOLD_MEMORY) ?? Number.NaN);
  return sold > 0 ? { mib: sold, slack: 0 } : { mib: capacity.memory / MIB, slack: OVERHEAD };
};

/** Whether a machine is within the bounds, with one of the supported ratios of memory to CPU. */
export const meetsConstraints = (type: InstanceType, bounds: NodeConstraints): boolean => {
  const cores = type.capacity.cpu / MILLI;
  const { mib, slack } = memoryMib(type);
  const mayBe = (least: number, most: number): boolean => mib / (1 - slack) >= least && mib <= most;
  return (
    cores >= bounds.minCpuCores &&
    cores <= bounds.maxCpuCores &&
    mayBe(bounds.minRamMib, bounds.maxRamMib) &&
    RATIOS.some((gib) => mayBe(gib * MIB_PER_GIB * cores, gib * MIB_PER_GIB * cores))
  );
};

/** The catalogue with only machines within the bounds to buy; prices of the others stay, to value nodes that stand. */
export const withinConstraints = (catalogue: Catalogue, bounds: NodeConstraints | undefined): Catalogue =>
  bounds === undefined ? catalogue : sellingOnly(catalogue, (_, type) => meetsConstraints(type, bounds));
