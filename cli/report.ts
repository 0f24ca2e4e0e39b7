import { writeFileSync } from 'node:fs';
import { formatCpu } from '../api/quantity.ts';
import { clusterOf } from '../planner/cluster/clusterview.ts';
import { rebalance } from '../planner/rebalance.ts';
import type { Outcome } from './outcome.ts';
import { format } from './outputformat.ts';
import { type Report, reportOf, roundToCents } from './reportmodel.ts';
import { type Input, requestOf } from './request.ts';

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
      ([type, { count, cost }]) => `buys      ${count} × ${type}, ${money(roundToCents(cost))} USD a month`,
    ),
  ];
  const header = ['NODE', 'TYPE', 'USD/MONTH', 'CPU FREE', 'MIB FREE', 'PODS', 'WASTED/MONTH', 'PLAN'];
  return `${head.join('\n')}\n\n${table([header, ...rows])}\n`;
};

/** `report`: what a cluster costs and could cost; changes nothing. Throws errors whose messages are one sentence. */
export const reportCommand = async (input: Input): Promise<Outcome> => {
  const { flags } = input;
  const request = await requestOf(input, 'report', '3s');
  const result = rebalance(request);
  const cluster = clusterOf(request.snapshot, request.catalogue);
  const report = reportOf(cluster, result);
  const html = flags.values.get('html');
  if (html !== undefined) {
    const { pageOf } = await import('./html/page.ts');
    writeFileSync(html, pageOf(report, cluster, result));
  }
  const output = flags.values.get('output') ?? 'table';
  return { out: output === 'table' ? asTable(report) : await format(report, output), err: [], code: 0 };
};
