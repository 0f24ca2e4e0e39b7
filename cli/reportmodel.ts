import { HOURS_PER_MONTH, INSTANCE_TYPE } from '../api/labels.ts';
import type { Cluster } from '../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../planner/rebalance.ts';
import { readAmounts } from '../planner/scheduling/nodeinfo.ts';

/** One node in the report. CPU in millicores, memory in MiB, prices in USD. */
export interface NodeLine {
  readonly name: string;
  readonly instanceType: string;
  readonly monthlyCost: number | null;
  readonly cpu: number;
  readonly cpuFree: number;
  readonly memory: number;
  readonly memoryFree: number;
  readonly pods: number;
  /** Part of the price that pays for what no pod asks for, the mean of CPU and memory. */
  readonly wastedMonthly: number | null;
  readonly fate: 'removed' | 'kept' | 'left out';
  readonly reasons: readonly string[];
}

/** The JSON output of `report`: absent values are null there. Costs in USD a month. */
export interface Report {
  readonly nodes: number;
  readonly pods: number;
  readonly pending: number;
  readonly monthlyBefore: number;
  readonly monthlyAfter: number;
  readonly monthlySavings: number;
  readonly savingsPercent: number;
  readonly lowerBoundMonthly: number | null;
  readonly gapPercent: number | null;
  readonly podsMoved: number;
  readonly reason: string | null;
  readonly lines: readonly NodeLine[];
  readonly added: readonly {
    readonly name: string;
    readonly instanceType: string;
    readonly monthlyCost: number;
  }[];
}

const MIB = 1024 * 1024;
/** USD, rounded to cents. */
export const roundToCents = (value: number): number => Math.round(value * 100) / 100;

const linesOf = (cluster: Cluster, result: RebalanceResult): NodeLine[] => {
  const removed = new Set((result.plan?.savings.blueNodes ?? []).map((each) => each.name));
  const skipped = new Map(result.skippedNodes.map((each) => [each.name, each.reasons]));
  return cluster.facts.map((facts, index) => {
    const free = cluster.views[index]?.free ?? new Map<string, number>();
    const all = readAmounts(facts.node.status?.allocatable);
    const cpu = all.get('cpu') ?? 0;
    const memory = all.get('memory') ?? 0;
    const cpuFree = Math.max(0, free.get('cpu') ?? 0);
    const memoryFree = Math.max(0, free.get('memory') ?? 0);
    const name = facts.node.metadata.name;
    const monthlyCost = facts.price === undefined ? null : roundToCents(facts.price * HOURS_PER_MONTH);
    const unused = (cpu > 0 ? cpuFree / cpu : 0) / 2 + (memory > 0 ? memoryFree / memory : 0) / 2;
    return {
      name,
      instanceType: facts.node.metadata.labels?.[INSTANCE_TYPE] ?? '',
      monthlyCost,
      cpu,
      cpuFree,
      memory: Math.floor(memory / MIB),
      memoryFree: Math.floor(memoryFree / MIB),
      pods: cluster.views[index]?.pods.length ?? 0,
      wastedMonthly: monthlyCost === null ? null : roundToCents(monthlyCost * unused),
      fate: removed.has(name) ? 'removed' : skipped.has(name) ? 'left out' : 'kept',
      reasons: skipped.get(name) ?? [],
    };
  });
};

/** The report of a cluster as it runs today and as the plan would leave it. */
export const reportOf = (cluster: Cluster, result: RebalanceResult): Report => {
  const before = cluster.facts.reduce((sum, facts) => sum + (facts.price ?? 0), 0) * HOURS_PER_MONTH;
  const savings = result.plan?.savings;
  const after = savings ? Number(savings.projectedClusterMonthlyCost) : before;
  return {
    nodes: cluster.facts.length,
    pods: cluster.snapshot.pods.length,
    pending: cluster.pending.length,
    monthlyBefore: roundToCents(before),
    monthlyAfter: roundToCents(after),
    monthlySavings: roundToCents(before - after),
    savingsPercent: before > 0 ? Math.round((1000 * (before - after)) / before) / 10 : 0,
    lowerBoundMonthly:
      savings?.lowerBoundMonthlyCost === undefined ? null : Number(savings.lowerBoundMonthlyCost),
    gapPercent: savings?.gapPercent === undefined ? null : Number(savings.gapPercent),
    podsMoved: result.plan?.spec.podsToMigrate?.length ?? 0,
    reason: result.reason ?? null,
    lines: linesOf(cluster, result),
    added: (savings?.greenNodes ?? []).map((each) => ({
      name: each.name,
      instanceType: each.instanceType,
      monthlyCost: roundToCents(Number(each.priceHourly) * HOURS_PER_MONTH),
    })),
  };
};
