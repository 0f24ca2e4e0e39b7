import { writeFileSync } from 'node:fs';
import { HOURS_PER_MONTH, INSTANCE_TYPE } from '../api/labels.ts';
import { formatCpu } from '../api/quantity.ts';
import { type Cluster, clusterOf } from '../planner/cluster/clusterview.ts';
import { type RebalanceResult, rebalance } from '../planner/rebalance.ts';
import { readAmounts } from '../planner/scheduling/nodeinfo.ts';
import { format } from './format.ts';
import type { Outcome } from './plan.ts';
import { type Input, requestOf } from './request.ts';
import { withoutRefused } from './verified.ts';

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
const round = (value: number): number => Math.round(value * 100) / 100;

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
    const monthlyCost = facts.price === undefined ? null : round(facts.price * HOURS_PER_MONTH);
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
      wastedMonthly: monthlyCost === null ? null : round(monthlyCost * unused),
      fate: removed.has(name) ? 'removed' : skipped.has(name) ? 'left out' : 'kept',
      reasons: skipped.get(name) ?? [],
    };
  });
};

/** What a cluster costs, what it could cost, and what stands in the way. */
export const reportOf = (cluster: Cluster, result: RebalanceResult): Report => {
  const before = cluster.facts.reduce((sum, facts) => sum + (facts.price ?? 0), 0) * HOURS_PER_MONTH;
  const savings = result.plan?.savings;
  const after = savings ? Number(savings.projectedClusterMonthlyCost) : before;
  return {
    nodes: cluster.facts.length,
    pods: cluster.snapshot.pods.length,
    pending: cluster.pending.length,
    monthlyBefore: round(before),
    monthlyAfter: round(after),
    monthlySavings: round(before - after),
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
      monthlyCost: round(Number(each.priceHourly) * HOURS_PER_MONTH),
    })),
  };
};

const money = (value: number | null): string => (value === null ? '?' : value.toFixed(2));

const table = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

const asTable = (report: Report): string => {
  const rows = [...report.lines]
    .sort((a, b) => (b.wastedMonthly ?? 0) - (a.wastedMonthly ?? 0))
    .map((line) => [
      line.name,
      line.instanceType,
      money(line.monthlyCost),
      `${formatCpu(line.cpuFree)} of ${formatCpu(line.cpu)}`,
      `${line.memoryFree} of ${line.memory}`,
      String(line.pods),
      money(line.wastedMonthly),
      line.reasons.length > 0 ? `${line.fate}: ${line.reasons.join('; ')}` : line.fate,
    ]);
  const added = new Map<string, { count: number; cost: number }>();
  for (const each of report.added) {
    const known = added.get(each.instanceType) ?? { count: 0, cost: 0 };
    added.set(each.instanceType, { count: known.count + 1, cost: known.cost + each.monthlyCost });
  }
  const head = [
    `before    ${money(report.monthlyBefore)} USD a month, ${report.nodes} nodes, ${report.pods} pods, ${report.pending} of them pending`,
    `after     ${money(report.monthlyAfter)} USD a month, ${report.podsMoved} pods moved`,
    `savings   ${money(report.monthlySavings)} USD a month, ${report.savingsPercent} %`,
    ...(report.lowerBoundMonthly === null
      ? []
      : [
          `bound     ${money(report.lowerBoundMonthly)} USD a month at least for the nodes that may be replaced; the plan is ${report.gapPercent} % above it`,
        ]),
    ...(report.reason ? [report.reason] : []),
    ...[...added].map(
      ([type, { count, cost }]) => `buys      ${count} × ${type}, ${money(round(cost))} USD a month`,
    ),
  ];
  const header = ['NODE', 'TYPE', 'USD/MONTH', 'CPU FREE', 'MIB FREE', 'PODS', 'WASTED/MONTH', 'PLAN'];
  return `${head.join('\n')}\n\n${table([header, ...rows])}\n`;
};

/** `report`: what a cluster costs and could cost; changes nothing. Throws errors whose messages are one sentence. */
export const reportCommand = async (input: Input, plan = rebalance): Promise<Outcome> => {
  const { flags } = input;
  const request = await requestOf(input, 'report', '3s');
  const result = withoutRefused(request, plan(request));
  const cluster = clusterOf(request.snapshot, request.catalogue);
  const report = reportOf(cluster, result);
  const html = flags.values.get('html');
  if (html !== undefined) {
    const { pageOf } = await import('./page.ts');
    writeFileSync(html, pageOf(report, cluster, result));
  }
  const output = flags.values.get('output') ?? 'table';
  return { out: output === 'table' ? asTable(report) : await format(report, output), err: [], code: 0 };
};
