import { createHash } from 'node:crypto';
import { HOURS_PER_MONTH } from '../../api/labels.ts';
import type { Cluster } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import { describeSplit, machineLabel } from '../changes.ts';
import type { NodeLine, Report } from '../reportmodel.ts';
import { type NodeBar, nodeBarsOf } from './nodebars.ts';
import { drawNode, escapeHtml } from './nodesvg.ts';
import { STYLE } from './stylesheet.ts';

const NUMBER = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const formatUsd = (usd: number): string => `$${NUMBER.format(usd)}`;
const formatCount = (count: number, noun: string): string =>
  `${NUMBER.format(count)} ${noun}${count === 1 ? '' : 's'}`;

const sum = <T>(list: readonly T[], amountOf: (item: T) => number): number =>
  list.reduce((total, item) => total + amountOf(item), 0);

/** Requested part of the allocatable resource, in percent; no node counts for more than it has. */
const usageOf = (nodes: readonly NodeBar[], resource: 'cpu' | 'memory'): number => {
  const allocatable = sum(nodes, (node) => node[resource]);
  const requested = sum(nodes, (node) =>
    Math.min(
      node[resource],
      sum(node.shares, (share) => share[resource]),
    ),
  );
  return allocatable > 0 ? Math.round((100 * requested) / allocatable) : 0;
};

const describeUsage = (nodes: readonly NodeBar[]): string =>
  `${usageOf(nodes, 'cpu')} % of CPU and ${usageOf(nodes, 'memory')} % of memory requested`;

const renderCard = (title: string, value: string, lines: readonly string[], className = ''): string =>
  `<div class="card ${className}"><h3>${title}</h3><b>${value}</b>${lines.map((line) => `<span>${line}</span>`).join('')}</div>`;

const renderCards = (report: Report, before: readonly NodeBar[], after: readonly NodeBar[]): string => {
  const removed = sum(before, (node) => (node.fate === 'removed' ? 1 : 0));
  return `<div class="cards">${[
    renderCard(
      'savings',
      report.savingsPercent === null ? '?' : `${report.savingsPercent} %`,
      [`${formatUsd(report.monthlySavings)} per month`, `${formatUsd(report.monthlySavings * 12)} per year`],
      'saved',
    ),
    renderCard('today', formatUsd(report.monthlyBefore), ['per month', describeUsage(before)]),
    renderCard('planned', formatUsd(report.monthlyAfter), ['per month', describeUsage(after)]),
    renderCard('moves', NUMBER.format(report.podsMoved), [
      'pods change nodes',
      `${formatCount(removed, 'node')} removed, ${NUMBER.format(report.added.length)} added`,
    ]),
  ].join('')}</div>`;
};

/** Costs today and planned, as bars on one scale. */
const renderCosts = ({ monthlyBefore, monthlyAfter }: Report): string => {
  const most = Math.max(monthlyBefore, monthlyAfter, 1);
  const line = (name: string, usd: number, className: string): string =>
    `<div class="line"><label>${name}</label><div class="track"><svg viewBox="0 0 100 1" preserveAspectRatio="none"><rect class="${className}" width="${((100 * usd) / most).toFixed(1)}" height="1"/></svg></div><span>${formatUsd(usd)}</span></div>`;
  return `<div class="scale">${line('today', monthlyBefore, 'today')}${line('planned', monthlyAfter, 'planned')}</div>`;
};

/** What the saving is made of; nothing where packing alone makes it. */
const renderSplit = (report: Report): string => {
  const lines = describeSplit(report);
  if (lines.length === 0) return '';
  return `<section><h2>What the saving is made of</h2><ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul></section>`;
};

const renderBound = ({ lowerBoundMonthly, gapPercent }: Report): string => {
  if (lowerBoundMonthly === null) return '';
  if (gapPercent === null)
    return `<p class="bound">No set of machines in the catalogue can run the pods of the replaceable nodes for less than <b>${formatUsd(lowerBoundMonthly)}</b> per month.</p>`;
  const gap =
    gapPercent === 0
      ? 'exactly what this plan pays for them'
      : `this plan pays ${gapPercent} % more for them`;
  return `<p class="bound">No set of machines in the catalogue can run the pods of the replaceable nodes for less than <b>${formatUsd(lowerBoundMonthly)}</b> per month; ${gap}.</p>`;
};

/** A table of machines by type, capacity type, architecture and zone: how many today, how many planned, what these cost. */
const renderMachines = (report: Report, before: readonly NodeBar[], after: readonly NodeBar[]): string => {
  const machines = new Map([...report.lines, ...report.added].map((each) => [each.name, machineLabel(each)]));
  const machineOf = (node: NodeBar): string => machines.get(node.name) || node.instanceType;
  const types = new Map<string, { before: number; after: number; monthlyCost: number }>();
  const entryOf = (type: string) => {
    const entry = types.get(type) ?? { before: 0, after: 0, monthlyCost: 0 };
    types.set(type, entry);
    return entry;
  };
  for (const node of before) entryOf(machineOf(node)).before += 1;
  for (const node of after) {
    const entry = entryOf(machineOf(node));
    entry.after += 1;
    entry.monthlyCost += (node.price ?? 0) * HOURS_PER_MONTH;
  }
  const formatChange = (change: number): string =>
    change === 0 ? '' : change > 0 ? `+${change}` : `−${-change}`;
  const rows = [...types]
    .sort(([, a], [, b]) => b.monthlyCost - a.monthlyCost || b.before - a.before)
    .map(([type, entry]) => {
      const change = entry.after - entry.before;
      const className = change < 0 ? 'less' : change > 0 ? 'more' : '';
      return `<tr><td>${escapeHtml(type || 'unknown')}</td><td class="n">${entry.before || '·'}</td><td class="n">${entry.after || '·'}</td><td class="n ${className}">${formatChange(change)}</td><td class="n">${entry.after ? formatUsd(entry.monthlyCost) : ''}</td></tr>`;
    })
    .join('');
  return `<section class="fleet"><h2>Machines</h2><table><thead><tr><th>machine</th><th class="n">today</th><th class="n">planned</th><th class="n"></th><th class="n">planned cost per month</th></tr></thead><tbody>${rows}</tbody></table></section>`;
};

const renderNodes = (title: string, nodes: readonly NodeBar[], mostCpu: number): string =>
  `<section><h2>${title} <small>${formatCount(nodes.length, 'node')}, ${describeUsage(nodes)}</small></h2><div class="nodes">${nodes.map((node) => drawNode(node, mostCpu)).join('')}</div></section>`;

/** The nodes that may not be replaced, grouped by their reasons, most expensive first. */
const renderSkippedNodes = (lines: readonly NodeLine[]): string => {
  const byReason = new Map<string, NodeLine[]>();
  for (const line of lines.filter(({ reasons }) => reasons.length > 0)) {
    const key = line.reasons.join('; ');
    byReason.set(key, [...(byReason.get(key) ?? []), line]);
  }
  if (byReason.size === 0) return '';
  const costOf = (nodes: readonly NodeLine[]): number => sum(nodes, (node) => node.monthlyCost ?? 0);
  const rows = [...byReason]
    .sort(([, a], [, b]) => costOf(b) - costOf(a))
    .map(
      ([reason, nodes]) =>
        `<tr><td>${nodes.map(({ name }) => `<code>${escapeHtml(name)}</code>`).join(' ')}</td><td>${escapeHtml(reason)}</td><td class="n">${formatUsd(costOf(nodes))}</td></tr>`,
    )
    .join('');
  return `<section><h2>Left out</h2><p>These nodes may not be replaced. Most of the reasons can be waived with a flag; see <code>--help</code>.</p><table class="wide"><thead><tr><th>nodes</th><th>reason</th><th class="n">per month</th></tr></thead><tbody>${rows}</tbody></table></section>`;
};

const MAX_WASTEFUL_NODES = 20;

/** The nodes with the highest cost of unrequested resources. */
const renderWastefulNodes = (lines: readonly NodeLine[]): string => {
  const formatUsed = (free: number, all: number): string =>
    `${all > 0 ? Math.round((100 * (all - free)) / all) : 0} %`;
  const rows = [...lines]
    .filter((line) => (line.wastedMonthly ?? 0) > 0)
    .sort((a, b) => (b.wastedMonthly ?? 0) - (a.wastedMonthly ?? 0))
    .slice(0, MAX_WASTEFUL_NODES)
    .map(
      (line) =>
        `<tr><td><code>${escapeHtml(line.name)}</code></td><td>${escapeHtml(line.instanceType)}</td><td class="n">${line.pods}</td><td class="n">${formatUsed(line.cpuFree, line.cpu)}</td><td class="n">${formatUsed(line.memoryFree, line.memory)}</td><td class="n">${formatUsd(line.monthlyCost ?? 0)}</td><td class="n">${formatUsd(line.wastedMonthly ?? 0)}</td><td>${line.fate}</td></tr>`,
    )
    .join('');
  if (rows === '') return '';
  return `<section><h2>Where the money goes</h2><p>Today's nodes with the most resources that are paid for and requested by no pod.</p><table class="wide"><thead><tr><th>node</th><th>instance type</th><th class="n">pods</th><th class="n">CPU requested</th><th class="n">memory requested</th><th class="n">per month</th><th class="n">unused</th><th>plan</th></tr></thead><tbody>${rows}</tbody></table></section>`;
};

const renderUnseen = ({ prices, unseen }: Report): string => {
  const items = unseen.map((each) => `<li>${escapeHtml(each)}</li>`).join('');
  const list = items === '' ? '' : `<h3>What it could not see</h3><ul>${items}</ul>`;
  return `<section><h2>What this report is made of</h2><p>Prices: ${escapeHtml(prices.summary)}.</p>${list}</section>`;
};

const TITLE = 'What this cluster costs and could cost';

/** Nothing runs and nothing is loaded, whatever a name may hold: the stylesheet is let in by its hash. */
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'`;

const LEGEND =
  'Each block is a node, most expensive first; a larger node is wider. Its upper bar is CPU, its lower bar is memory; each colour is a workload, and the pale rest is paid for but not requested. Hover over a part for details. <span class="node removed"></span> removed, <span class="node added"></span> added.';

/** Renders the report as one HTML page without scripts or external files. */
export const renderPage = (report: Report, cluster: Cluster, result: RebalanceResult): string => {
  const { before, after } = nodeBarsOf(cluster, result);
  const mostCpu = Math.max(1, ...[...before, ...after].map((node) => node.cpu));
  const pending = report.pending > 0 ? `, ${NUMBER.format(report.pending)} of them pending` : '';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><meta name="viewport" content="width=device-width"><title>${TITLE}</title><style>${STYLE}</style></head>
<body><main><header><h1>${TITLE}</h1><p>${formatCount(report.nodes, 'node')}, ${formatCount(report.pods, 'pod')}${pending}. Nothing has been changed.</p></header>
${renderCards(report, before, after)}
${renderSplit(report)}${report.warnings.map((each) => `<p class="bound">${escapeHtml(each)}</p>`).join('')}${report.reason ? `<p class="bound">${escapeHtml(report.reason)}</p>` : ''}${renderCosts(report)}${renderBound(report)}
${renderMachines(report, before, after)}
${renderNodes('Today', before, mostCpu)}${renderNodes('Planned', after, mostCpu)}
<p class="legend">${LEGEND}</p>
${renderWastefulNodes(report.lines)}${renderSkippedNodes(report.lines)}${renderUnseen(report)}
</main></body></html>
`;
};
