import { describeKeeps, describeSplit, machineLabel } from '../changes.ts';
import { describeMissing, type KnownCost, knownCostOf } from '../report/costs.ts';
import { formatSeconds } from '../report/durations.ts';
import { listed } from '../report/listed.ts';
import { workloadName } from '../report/workload.ts';
import type { NodeLine, Report } from '../reportmodel.ts';
import { type Column, type Row, renderDataTable } from './datatable.ts';
import type { NodeBar } from './nodebars.ts';
import { escapeHtml } from './nodesvg.ts';
import { formatCount, formatNumber, formatUsd, sum } from './words.ts';

/** Rows of one table that are shown at once, and all that the page has: `-o json` has the others. */
const ROWS_SHOWN = 20;
const MOST_ROWS = 80;
const MOST_WASTEFUL_NODES = 20;
const MOST_NAMES = 100;
/** Items of a list, and of one in each row of a table. */
export const MOST_ITEMS = 50;
const MOST_RISKS = 3;

/** A part of the page that links can lead to. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly html: string;
}

/** A section; nothing without content. */
export const section = (id: string, title: string, content: string): readonly Section[] =>
  content === '' ? [] : [{ id, title, html: `<section id="${id}"><h2>${title}</h2>${content}</section>\n` }];

const paragraph = (text: string): string => `<p>${text}</p>`;

/** Items of which only the first ones are on the page, as HTML, and how many are left out. */
export const withMost = (
  items: readonly string[],
  most: number,
  render: (html: string) => string,
): string => {
  const left = items.length - most;
  const more = left > 0 ? [`and ${formatNumber(left)} more in the output of <code>-o json</code>`] : [];
  return [...items.slice(0, most).map(escapeHtml), ...more].map(render).join('');
};

const list = (items: readonly string[], most = MOST_ITEMS): string =>
  `<ul>${withMost(items, most, (html) => `<li>${html}</li>`)}</ul>`;

/** A table whose first rows are shown and whose others can be opened, of which a large cluster's page has not all. */
const longTable = (
  caption: string,
  columns: readonly Column[],
  rows: readonly Row[],
  noun: string,
): string => {
  const [shown, folded, left] = [
    rows.slice(0, ROWS_SHOWN),
    rows.slice(ROWS_SHOWN, MOST_ROWS),
    rows.length - MOST_ROWS,
  ];
  const rest =
    folded.length === 0
      ? ''
      : `<details><summary>${formatCount(folded.length, `more ${noun}`)}</summary>${renderDataTable(`${caption}, continued`, columns, folded)}</details>`;
  const missing =
    left > 0
      ? `<p class="note">${formatCount(left, `more ${noun}`)} in the output of <code>-o json</code>.</p>`
      : '';
  return `${renderDataTable(caption, columns, shown)}${rest}${missing}`;
};

/** The saving with and without what `--keep` keeps, side by side. */
const renderChoices = ({ choices }: Report): string => {
  if (choices.length === 0) return '';
  const cards = choices.map(({ keeps, isShown, ...each }) => {
    const how = keeps.length === 0 ? 'without --keep' : `--keep ${keeps.join(',')}`;
    const lines = [
      `${formatUsd(each.monthlySavings)} saved, ${formatUsd(each.monthlyAfter)} left per month`,
      `${formatCount(each.podsMoved, 'pod')} moved`,
      isShown ? 'this report shows this plan' : `<code>${how}</code> shows this plan`,
    ];
    const percent = each.savingsPercent === null ? '?' : `${each.savingsPercent} %`;
    return `<div class="card${isShown ? ' chosen' : ''}"><p class="name">${describeKeeps(keeps)}</p><p class="figure">${percent}</p>${lines.map((line) => `<p class="line">${line}</p>`).join('')}</div>`;
  });
  return `<div class="cards">${cards.join('')}</div>`;
};

/** What the saving is made of; nothing where packing alone makes it. */
export const renderSplit = (report: Report): readonly Section[] => {
  const lines = describeSplit(report, (usd) => `${formatUsd(usd)} per month`);
  return section(
    'split',
    'What the saving is made of',
    `${lines.length === 0 ? '' : list(lines)}${renderChoices(report)}`,
  );
};

const renderCost = (cost: KnownCost): string => {
  const missing = describeMissing(cost);
  return `${formatUsd(cost.monthlyCost)}${missing === '' ? '' : `<small>${missing.trim()}</small>`}`;
};

/** Machines by type, capacity type, architecture and zone: how many today, how many planned, what these cost. */
export const renderMachines = (
  report: Report,
  before: readonly NodeBar[],
  after: readonly NodeBar[],
): readonly Section[] => {
  const labels = new Map([...report.lines, ...report.added].map((each) => [each.name, machineLabel(each)]));
  const machines = new Map<string, { before: number; planned: (number | undefined)[] }>();
  const entryOf = (node: NodeBar) => {
    const label = labels.get(node.name) || node.instanceType;
    const entry = machines.get(label) ?? { before: 0, planned: [] };
    machines.set(label, entry);
    return entry;
  };
  for (const node of before) entryOf(node).before += 1;
  for (const node of after) entryOf(node).planned.push(node.price);
  const formatChange = (change: number): string => {
    if (change === 0) return '';
    return change > 0 ? `<span class="more">+${change}</span>` : `<span class="less">−${-change}</span>`;
  };
  const rows = [...machines]
    .map(([label, { before: today, planned }]) => ({ label, today, planned, cost: knownCostOf(planned) }))
    .sort((a, b) => (b.cost.monthlyCost ?? 0) - (a.cost.monthlyCost ?? 0) || b.today - a.today)
    .map(({ label, today, planned, cost }) => [
      escapeHtml(label || 'unknown'),
      formatNumber(today),
      formatNumber(planned.length),
      formatChange(planned.length - today),
      planned.length > 0 ? renderCost(cost) : '',
    ]);
  if (rows.length === 0) return [];
  const table = longTable(
    'Machines today and planned',
    [
      { name: 'machine' },
      { name: 'today', isNumber: true },
      { name: 'planned', isNumber: true },
      { name: 'change', isNumber: true },
      { name: 'planned cost per month', isNumber: true },
    ],
    rows,
    'machine',
  );
  return section('machines', 'Machines', table);
};

/** What the plan does to each workload, with what that risks and how long it takes. */
export const renderMoves = ({ moves, machineStart }: Report): readonly Section[] => {
  if (moves.length === 0) return [];
  const machines =
    machineStart === null
      ? 'how long new machines take is unknown'
      : `this cluster's machines took ${formatSeconds(machineStart.seconds)} to join, the middle one of ${formatNumber(machineStart.of)}`;
  const rows = moves.map((move) => [
    escapeHtml(workloadName(move)),
    `${move.pods} of ${move.podsInAll}`,
    formatSeconds(move.stopSeconds),
    move.startSeconds === null ? 'unknown' : formatSeconds(move.startSeconds),
    move.risks.length === 0
      ? 'none known'
      : list(
          move.risks.map(({ message }) => message),
          MOST_RISKS,
        ),
  ]);
  const table = longTable(
    'Moves by workload',
    [
      { name: 'workload' },
      { name: 'pods', isNumber: true },
      { name: 'stops within', isNumber: true },
      { name: 'starts in', isNumber: true },
      { name: 'risks' },
    ],
    rows,
    'workload',
  );
  const intro = `Pods are evicted once the new machines are ready; ${machines}. A start is the time that the workload's pods took to become ready, the middle one of them.`;
  return section('moves', 'Moves by workload', `${paragraph(intro)}${table}`);
};

const renderNames = (names: readonly string[]): string =>
  names.length === 1
    ? `<code>${escapeHtml(names[0] ?? '')}</code>`
    : `<details><summary>${formatCount(names.length, 'node')}</summary><code>${escapeHtml(listed(names, MOST_NAMES))}</code></details>`;

/** The nodes that may not be replaced, by cause, with the money behind each and what to do. */
export const renderLeftOut = ({ leftOut }: Report): readonly Section[] => {
  if (leftOut.length === 0) return [];
  const rows = leftOut.map((group) => [
    `${escapeHtml(group.cause)}${group.pods.length > 0 ? `<small>${escapeHtml(listed(group.pods))}</small>` : ''}`,
    renderNames(group.nodeNames),
    renderCost(group),
    group.alone.nodes === 0 ? 'none' : renderCost(group.alone),
    escapeHtml(group.whatToDo),
  ]);
  const table = longTable(
    'Nodes that are left out, by cause',
    [
      { name: 'cause' },
      { name: 'nodes' },
      { name: 'cost per month', isNumber: true },
      { name: 'by this alone', isNumber: true },
      { name: 'what to do' },
    ],
    rows,
    'cause',
  );
  const intro =
    'These nodes may not be replaced. The cost is what the nodes cost, not what they would save; a node with several causes counts under each.';
  return section('left-out', 'Left out', `${paragraph(intro)}${table}`);
};

/** The nodes with the highest cost of unrequested resources. */
export const renderWastefulNodes = (lines: readonly NodeLine[]): readonly Section[] => {
  const formatUsed = (free: number, all: number): string =>
    `${all > 0 ? Math.round((100 * (all - free)) / all) : 0} %`;
  const wasteful = lines
    .filter((line) => (line.wastedMonthly ?? 0) > 0)
    .sort((a, b) => (b.wastedMonthly ?? 0) - (a.wastedMonthly ?? 0));
  const rows = wasteful
    .slice(0, MOST_WASTEFUL_NODES)
    .map((line) => [
      `<code>${escapeHtml(line.name)}</code>`,
      escapeHtml(line.instanceType),
      formatNumber(line.pods),
      formatUsed(line.cpuFree, line.cpu),
      formatUsed(line.memoryFree, line.memory),
      formatUsd(line.monthlyCost),
      formatUsd(line.wastedMonthly),
      line.fate,
    ]);
  if (rows.length === 0) return [];
  const table = renderDataTable(
    'Nodes with the most unrequested resources',
    [
      { name: 'node' },
      { name: 'instance type' },
      { name: 'pods', isNumber: true },
      { name: 'CPU requested', isNumber: true },
      { name: 'memory requested', isNumber: true },
      { name: 'cost per month', isNumber: true },
      { name: 'of it unused', isNumber: true },
      { name: 'plan' },
    ],
    rows,
  );
  const all = sum(wasteful, (line) => line.wastedMonthly ?? 0);
  const unpriced = lines.filter(({ monthlyCost }) => monthlyCost === null).length;
  const missing =
    unpriced === 0
      ? ''
      : ` ${formatCount(unpriced, 'node')} of unknown price ${unpriced === 1 ? 'is' : 'are'} not in it.`;
  const intro = `${formatUsd(all)} of today's cost per month is for CPU and memory that no pod requests.${missing} These nodes have the most of it.`;
  return section('waste', 'Where the money goes', `${paragraph(intro)}${table}`);
};

/** Where the prices come from, and what could not be seen, each with what to do. */
export const renderUnseen = ({ prices, unseen }: Report): readonly Section[] => [
  ...section('prices', 'Prices', paragraph(`${escapeHtml(prices.summary)}.`)),
  ...section('unseen', 'What this report could not see', unseen.length === 0 ? '' : list(unseen)),
];
