import { formatCpu } from '../../api/quantity.ts';
import { printable } from '../../api/text/printable.ts';
import { describeKeeps, describeSplit, machineLabel } from '../changes.ts';
import { type NodeLine, type Report, roundToCents } from '../reportmodel.ts';
import { describeMissing, type KnownCost } from './costs.ts';
import { formatSeconds } from './durations.ts';
import type { LeftOut } from './leftout.ts';
import { listed } from './listed.ts';
import { workloadName } from './workload.ts';

const formatUsd = (value: number | null): string => (value === null ? '?' : value.toFixed(2));

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** Rows of cells as lines with aligned columns. */
const alignColumns = (cells: readonly (readonly string[])[]): string => {
  const rows = cells.map((row) => row.map(printable));
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

/** A table below its heading; nothing without rows. */
const section = (heading: string, header: readonly string[], rows: readonly (readonly string[])[]): string =>
  rows.length === 0 ? '' : `\n${heading}\n${alignColumns([header, ...rows])}\n`;

/** Workloads that the table lists. */
const MOST_WORKLOADS = 30;

const renderMoves = ({ moves, machineStart }: Report): string => {
  const rows = moves
    .slice(0, MOST_WORKLOADS)
    .map((move) => [
      printable(workloadName(move)),
      `${move.pods} of ${move.podsInAll}`,
      formatSeconds(move.stopSeconds),
      move.startSeconds === null ? 'unknown' : formatSeconds(move.startSeconds),
      move.risks.map(({ message }) => message).join('; ') || '-',
    ]);
  const machines =
    machineStart === null
      ? 'How long new machines take is unknown.'
      : `New machines: this cluster's took ${formatSeconds(machineStart.seconds)} to join (the middle one of ${machineStart.of}).`;
  const heading = `Moves by workload: pods are evicted once the new machines are ready. ${machines}`;
  const rest = moves.length - rows.length;
  const more = rest > 0 ? `and ${rest} more workloads: -o json has them all\n` : '';
  return section(heading, ['WORKLOAD', 'PODS', 'STOPS WITHIN', 'STARTS IN', 'RISKS'], rows) + more;
};

/** '412.00, 280.00 of it by this alone'. */
const costOf = (group: LeftOut): string => {
  const { nodes, alone } = group;
  const format = (cost: KnownCost): string => `${formatUsd(cost.monthlyCost)}${describeMissing(cost)}`;
  return `${format(group)}${alone.nodes === nodes ? '' : `, ${format(alone)} of it by this alone`}`;
};

const renderLeftOut = ({ leftOut }: Report): string => {
  const rows = leftOut.map((group) => [
    String(group.nodes),
    costOf(group),
    `${group.cause}${group.pods.length > 0 ? ` (${listed(group.pods)})` : ''}: ${group.whatToDo}`,
  ]);
  return section('Left out, by cause:', ['NODES', 'USD/MONTH', 'CAUSE, AND WHAT TO DO'], rows);
};

/** USD per month below which nothing is paid. */
const NOTHING = 0.005;

const describeBound = ({ lowerBoundMonthly, gapPercent }: Report): readonly string[] => {
  if (lowerBoundMonthly === null) return [];
  if (lowerBoundMonthly < NOTHING && gapPercent === 0) {
    return ['bound     the nodes that stay have room for the pods of those that go: no plan is cheaper'];
  }
  const gap = gapPercent === null ? '' : `; the plan is ${gapPercent} % above it`;
  const least = formatUsd(lowerBoundMonthly);
  return [`bound     ${least} USD a month at least for the nodes that may be replaced${gap}`];
};

const renderHead = (report: Report): string => {
  const added = new Map<string, { count: number; cost: number }>();
  for (const each of report.added) {
    const label = machineLabel(each);
    const known = added.get(label) ?? { count: 0, cost: 0 };
    added.set(label, { count: known.count + 1, cost: known.cost + each.monthlyCost });
  }
  const unpriced =
    report.unpricedNodes === 0 ? '' : ` without ${count(report.unpricedNodes, 'node')} of unknown price`;
  const lines = [
    `before    ${formatUsd(report.monthlyBefore)} USD a month${unpriced}, ${count(report.nodes, 'node')}, ${count(report.pods, 'pod')}, ${report.pending} of them pending`,
    `after     ${formatUsd(report.monthlyAfter)} USD a month${unpriced}, ${count(report.podsMoved, 'pod')} moved`,
    `savings   ${formatUsd(report.monthlySavings)} USD a month${report.savingsPercent === null ? '' : `, ${report.savingsPercent} %`}`,
    ...describeSplit(report).map((line) => `  of it   ${line}`),
    ...report.choices
      .filter(({ isShown }) => !isShown)
      .map((each) => {
        const percent = each.savingsPercent === null ? '' : `, ${each.savingsPercent} %`;
        const how = each.keeps.length === 0 ? 'without --keep' : `--keep ${each.keeps.join(',')}`;
        return `  beside  ${formatUsd(each.monthlySavings)} USD a month${percent} with ${describeKeeps(each.keeps)}, ${count(each.podsMoved, 'pod')} moved (${how})`;
      }),
    ...describeBound(report),
    ...[...added].map(
      ([type, { count, cost }]) =>
        `buys      ${count} × ${type}, ${formatUsd(roundToCents(cost))} USD a month`,
    ),
    `prices    ${report.prices.summary}`,
    ...report.warnings,
    ...(report.reason ? [report.reason] : []),
  ];
  return `${lines.map(printable).join('\n')}\n`;
};

/** Nodes that the table lists. */
const MOST_NODES = 50;

const describeFate = ({ fate, reasons }: NodeLine): string => {
  if (reasons.length === 0) return fate;
  const more = reasons.length - 1;
  return `${fate}: ${reasons[0]}${more > 0 ? `, and ${more} more reason${more === 1 ? '' : 's'}` : ''}`;
};

const renderNodes = ({ lines }: Report): string => {
  const rows = [...lines]
    .sort((a, b) => (b.wastedMonthly ?? 0) - (a.wastedMonthly ?? 0))
    .slice(0, MOST_NODES)
    .map((line) => [
      line.name,
      line.instanceType,
      formatUsd(line.monthlyCost),
      `${formatCpu(line.cpuFree)} of ${formatCpu(line.cpu)}`,
      `${line.memoryFree} of ${line.memory}`,
      String(line.pods),
      formatUsd(line.wastedMonthly),
      describeFate(line),
    ]);
  const header = ['NODE', 'TYPE', 'USD/MONTH', 'CPU FREE', 'MIB FREE', 'PODS', 'WASTED/MONTH', 'PLAN'];
  const rest = lines.length - rows.length;
  const more = rest > 0 ? `and ${rest} more nodes: -o json has them all\n` : '';
  return section('Nodes, those with the highest cost of unrequested resources first:', header, rows) + more;
};

const renderUnseen = ({ unseen }: Report): string =>
  unseen.length === 0
    ? ''
    : `\nWhat this report could not see:\n${unseen.map((each) => `- ${printable(each)}\n`).join('')}`;

/** The report as text for a terminal. */
export const renderTable = (report: Report): string =>
  renderHead(report) +
  renderMoves(report) +
  renderLeftOut(report) +
  renderNodes(report) +
  renderUnseen(report);
