import { writeFileSync } from 'node:fs';
import { formatCpu } from '../api/quantity.ts';
import { printable } from '../api/text/printable.ts';
import { clusterOf } from '../planner/cluster/clusterview.ts';
import { rebalance } from '../planner/rebalance.ts';
import { describeSplit, kindChangesOf, machineLabel, splitSavings } from './changes.ts';
import { unseenOf } from './files/unseen.ts';
import type { Outcome } from './outcome.ts';
import { format } from './outputformat.ts';
import { type Report, reportOf, roundToCents } from './reportmodel.ts';
import { type Input, requestOf } from './request.ts';
import { withoutRefused } from './verified.ts';

const formatUsd = (value: number | null): string => (value === null ? '?' : value.toFixed(2));

/** Rows of cells as lines with aligned columns. */
const alignColumns = (cells: readonly (readonly string[])[]): string => {
  const rows = cells.map((row) => row.map(printable));
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

const renderTable = (report: Report): string => {
  const rows = [...report.lines]
    .sort((a, b) => (b.wastedMonthly ?? 0) - (a.wastedMonthly ?? 0))
    .map((line) => [
      line.name,
      line.instanceType,
      formatUsd(line.monthlyCost),
      `${formatCpu(line.cpuFree)} of ${formatCpu(line.cpu)}`,
      `${line.memoryFree} of ${line.memory}`,
      String(line.pods),
      formatUsd(line.wastedMonthly),
      line.reasons.length > 0 ? `${line.fate}: ${line.reasons.join('; ')}` : line.fate,
    ]);
  const added = new Map<string, { count: number; cost: number }>();
  for (const each of report.added) {
    const label = machineLabel(each);
    const known = added.get(label) ?? { count: 0, cost: 0 };
    added.set(label, { count: known.count + 1, cost: known.cost + each.monthlyCost });
  }
  const head = [
    `before    ${formatUsd(report.monthlyBefore)} USD a month, ${report.nodes} nodes, ${report.pods} pods, ${report.pending} of them pending`,
    `after     ${formatUsd(report.monthlyAfter)} USD a month, ${report.podsMoved} pods moved`,
    `savings   ${formatUsd(report.monthlySavings)} USD a month${report.savingsPercent === null ? '' : `, ${report.savingsPercent} %`}`,
    ...describeSplit(report).map((line) => `  of it   ${line}`),
    ...(report.lowerBoundMonthly === null
      ? []
      : [
          `bound     ${formatUsd(report.lowerBoundMonthly)} USD a month at least for the nodes that may be replaced${report.gapPercent === null ? '' : `; the plan is ${report.gapPercent} % above it`}`,
        ]),
    `prices    ${report.prices.summary}`,
    ...report.warnings,
    ...(report.reason ? [report.reason] : []),
    ...[...added].map(
      ([type, { count, cost }]) =>
        `buys      ${count} × ${type}, ${formatUsd(roundToCents(cost))} USD a month`,
    ),
  ];
  const header = ['NODE', 'TYPE', 'USD/MONTH', 'CPU FREE', 'MIB FREE', 'PODS', 'WASTED/MONTH', 'PLAN'];
  const unseen =
    report.unseen.length === 0
      ? ''
      : `\nWhat this report could not see:\n${report.unseen.map((each) => `- ${printable(each)}\n`).join('')}`;
  return `${head.map(printable).join('\n')}\n\n${alignColumns([header, ...rows])}\n${unseen}`;
};

/** `report`: prints what a cluster costs and could cost. Throws UsageError. */
export const reportCommand = async (input: Input, planner = rebalance): Promise<Outcome> => {
  const { flags } = input;
  const request = await requestOf(input, 'report', '3s');
  const result = withoutRefused(request, planner(request));
  const cluster = clusterOf(request.snapshot, request.catalogue);
  const report = reportOf(cluster, result, request, {
    savingsBy: splitSavings(request, result, planner),
    kindChanges: kindChangesOf(request, result),
    unseen: unseenOf(cluster),
  });
  const html = flags.values.get('html');
  if (html !== undefined) {
    const { renderPage } = await import('./html/page.ts');
    writeFileSync(html, renderPage(report, cluster, result));
  }
  const output = flags.values.get('output') ?? 'table';
  return { out: output === 'table' ? renderTable(report) : await format(report, output), err: [], code: 0 };
};
