import { createHash } from 'node:crypto';
import type { Cluster } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import type { Report } from '../reportmodel.ts';
import { type NodeBar, nodeBarsOf } from './nodebars.ts';
import { escapeHtml } from './nodesvg.ts';
import { describeUsage, renderPanel } from './panels.ts';
import {
  MOST_ITEMS,
  renderLeftOut,
  renderMachines,
  renderMoves,
  renderSplit,
  renderUnseen,
  renderWastefulNodes,
  type Section,
  section,
  withMost,
} from './sections.ts';
import { STYLE } from './stylesheet.ts';
import { formatCount, formatNumber, formatUsd, sum } from './words.ts';

const renderCard = (name: string, figure: string, lines: readonly string[], className = ''): string =>
  `<div class="card ${className}"><p class="name">${name}</p><p class="figure">${figure}</p>${lines.map((line) => `<p class="line">${line}</p>`).join('')}</div>`;

const renderCards = (report: Report, before: readonly NodeBar[], after: readonly NodeBar[]): string => {
  const removed = sum(before, (node) => (node.fate === 'removed' ? 1 : 0));
  const unpriced =
    report.unpricedNodes === 0
      ? []
      : [`without ${formatCount(report.unpricedNodes, 'node')} of unknown price`];
  const cards = [
    renderCard(
      'savings',
      report.savingsPercent === null ? 'none' : `${report.savingsPercent} %`,
      [`${formatUsd(report.monthlySavings)} per month`, `${formatUsd(report.monthlySavings * 12)} per year`],
      'saved',
    ),
    renderCard('today', formatUsd(report.monthlyBefore), ['per month', ...unpriced, describeUsage(before)]),
    renderCard('planned', formatUsd(report.monthlyAfter), ['per month', ...unpriced, describeUsage(after)]),
    renderCard('moves', formatNumber(report.podsMoved), [
      `pods of ${formatCount(report.moves.length, 'workload')} change nodes`,
      `${formatCount(removed, 'node')} removed, ${formatNumber(report.added.length)} added`,
    ]),
  ];
  return `<div class="cards">${cards.join('')}</div>`;
};

/** Costs today and planned, as bars on one scale. */
const renderCosts = ({ monthlyBefore, monthlyAfter }: Report): string => {
  const most = Math.max(monthlyBefore, monthlyAfter, 1);
  const line = (name: string, usd: number, className: string): string =>
    `<div class="cost"><span>${name}</span><div class="track"><svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect class="${className}" width="${((100 * usd) / most).toFixed(1)}" height="1"/></svg></div><span>${formatUsd(usd)}</span></div>`;
  return `<div class="scale">${line('today', monthlyBefore, 'today')}${line('planned', monthlyAfter, 'planned')}</div>`;
};

/** USD per month below which nothing is paid. */
const NOTHING = 0.005;

const renderBound = ({ lowerBoundMonthly, gapPercent }: Report): string => {
  if (lowerBoundMonthly === null) return '';
  if (lowerBoundMonthly < NOTHING)
    return gapPercent === 0
      ? '<p class="note">The nodes that stay have room for the pods of those that go, so no plan can be cheaper.</p>'
      : '';
  const gap =
    gapPercent === null
      ? ''
      : gapPercent === 0
        ? '; exactly what this plan pays for them'
        : `; this plan pays ${gapPercent} % more for them`;
  return `<p class="note">No set of machines in the catalogue can run the pods of the replaceable nodes for less than <b>${formatUsd(lowerBoundMonthly)}</b> per month${gap}.</p>`;
};

const renderNotes = ({ warnings, reason }: Report): string => {
  const note = (html: string): string => `<p class="note">${html}</p>`;
  return withMost(warnings, MOST_ITEMS, note) + (reason ? note(escapeHtml(reason)) : '');
};

const TITLE = 'What this cluster costs and could cost';

/** Nothing runs and nothing is loaded, whatever a name may hold: the stylesheet is let in by its hash. */
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'`;

const LEGEND =
  'Each block is a node; those that change come first, then the most expensive, and a larger node is wider. Its upper bar is CPU, its lower bar is memory; each colour is a workload, and the pale rest is paid for but not requested. Hover over a part for details. <span class="node removed"></span> removed, <span class="node added"></span> added.';

const renderNodes = (before: readonly NodeBar[], after: readonly NodeBar[]): readonly Section[] => {
  if (before.length + after.length === 0) return [];
  const mostCpu = Math.max(1, ...[...before, ...after].map((node) => node.cpu));
  const panels = renderPanel('Today', before, mostCpu) + renderPanel('Planned', after, mostCpu);
  return section('nodes', 'Nodes', `<p class="legend">${LEGEND}</p>${panels}`);
};

/** Links to the sections. */
const renderNav = (sections: readonly Section[]): string =>
  `<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => `<li><a href="#${id}">${title}</a></li>`).join('')}</ul></nav>`;

/** Renders the report as one HTML page without scripts or external files. */
export const renderPage = (report: Report, cluster: Cluster, result: RebalanceResult): string => {
  const { before, after } = nodeBarsOf(cluster, result);
  const pending = report.pending > 0 ? `, ${formatNumber(report.pending)} of them pending` : '';
  const sections = [
    ...renderSplit(report),
    ...renderMachines(report, before, after),
    ...renderMoves(report),
    ...renderLeftOut(report),
    ...renderNodes(before, after),
    ...renderWastefulNodes(report.lines),
    ...renderUnseen(report),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${TITLE}</title><style>${STYLE}</style></head>
<body><a class="skip" href="#report">Skip to the report</a><main><header><h1>${TITLE}</h1><p>${formatCount(report.nodes, 'node')}, ${formatCount(report.pods, 'pod')}${pending}. Nothing has been changed.</p></header>
${renderNav(sections)}
<div id="report" tabindex="-1">${renderCards(report, before, after)}
${renderCosts(report)}${renderBound(report)}${renderNotes(report)}
${sections.map(({ html }) => html).join('')}</div></main></body></html>
`;
};
