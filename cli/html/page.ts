import type { Cluster } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import type { NodeLine, Report } from '../reportmodel.ts';
import { type Box, boxesOf } from './nodebars.ts';
import { drawBox, escaped } from './nodesvg.ts';
import { STYLE } from './stylesheet.ts';

const DOLLARS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const money = (usd: number): string => `$${DOLLARS.format(usd)}`;
const count = (n: number, what: string): string => `${DOLLARS.format(n)} ${what}${n === 1 ? '' : 's'}`;

const sum = <T>(list: readonly T[], of: (each: T) => number): number =>
  list.reduce((total, each) => total + of(each), 0);

/** How much of what is paid for is asked for, in percent. */
const usage = (boxes: readonly Box[], part: 'cpu' | 'memory'): number => {
  const all = sum(boxes, (box) => box[part]);
  return all > 0
    ? Math.round(
        (100 *
          sum(boxes, (box) =>
            Math.min(
              box[part],
              sum(box.shares, (share) => share[part]),
            ),
          )) /
          all,
      )
    : 0;
};

const card = (title: string, value: string, lines: readonly string[], kind = ''): string =>
  `<div class="card ${kind}"><h3>${title}</h3><b>${value}</b>${lines.map((line) => `<span>${line}</span>`).join('')}</div>`;

/** Before, after and the bound as bars of one scale. */
const scale = (report: Report): string => {
  const most = Math.max(report.monthlyBefore, report.monthlyAfter, 1);
  const line = (name: string, usd: number, kind: string): string =>
    `<div class="line"><label>${name}</label><div class="track"><i class="${kind}" style="width:${((100 * usd) / most).toFixed(1)}%"></i></div><span>${money(usd)}</span></div>`;
  return `<div class="scale">${line('today', report.monthlyBefore, 'today')}${line('planned', report.monthlyAfter, 'planned')}</div>`;
};

const boundOf = (report: Report): string => {
  if (report.lowerBoundMonthly === null) return '';
  const gap =
    report.gapPercent === 0
      ? 'which is what they cost in this plan'
      : `in this plan they cost ${report.gapPercent} % more`;
  return `<p class="bound">No set of machines of this catalogue can hold the pods of the nodes that may be replaced for less than <b>${money(report.lowerBoundMonthly)}</b> a month; ${gap}.</p>`;
};

const fleetOf = (before: readonly Box[], after: readonly Box[]): string => {
  const types = new Map<string, { before: number; after: number; cost: number }>();
  const at = (type: string) => {
    const known = types.get(type) ?? { before: 0, after: 0, cost: 0 };
    types.set(type, known);
    return known;
  };
  for (const box of before) at(box.instanceType).before += 1;
  for (const box of after) {
    const found = at(box.instanceType);
    found.after += 1;
    found.cost += (box.price ?? 0) * 730;
  }
  const rows = [...types]
    .sort((a, b) => b[1].cost - a[1].cost || b[1].before - a[1].before)
    .map(
      ([type, { before: b, after: a, cost }]) =>
        `<tr><td>${escaped(type || 'unknown')}</td><td class="n">${b || '·'}</td><td class="n">${a || '·'}</td><td class="n ${a < b ? 'less' : a > b ? 'more' : ''}">${a === b ? '' : a > b ? `+${a - b}` : `−${b - a}`}</td><td class="n">${a ? money(cost) : ''}</td></tr>`,
    )
    .join('');
  return `<table><thead><tr><th>machine</th><th class="n">today</th><th class="n">planned</th><th class="n"></th><th class="n">a month then</th></tr></thead><tbody>${rows}</tbody></table>`;
};

/** Nodes that stand in the way, those with the same reasons together. */
const blockedOf = (lines: readonly NodeLine[]): string => {
  const byReason = new Map<string, NodeLine[]>();
  for (const line of lines.filter((each) => each.reasons.length > 0)) {
    const key = line.reasons.join('; ');
    byReason.set(key, [...(byReason.get(key) ?? []), line]);
  }
  if (byReason.size === 0) return '';
  const cost = (nodes: readonly NodeLine[]): number => sum(nodes, (each) => each.monthlyCost ?? 0);
  const rows = [...byReason]
    .sort((a, b) => cost(b[1]) - cost(a[1]))
    .map(
      ([reason, nodes]) =>
        `<tr><td>${nodes.map((each) => `<code>${escaped(each.name)}</code>`).join(' ')}</td><td>${escaped(reason)}</td><td class="n">${money(cost(nodes))}</td></tr>`,
    )
    .join('');
  return `<section><h2>Left as they are</h2><p>These nodes may not be replaced. Most of the reasons can be waived with a flag; see <code>--help</code>.</p><table class="wide"><thead><tr><th>nodes</th><th>because</th><th class="n">a month</th></tr></thead><tbody>${rows}</tbody></table></section>`;
};

const wastedOf = (lines: readonly NodeLine[]): string => {
  const rows = [...lines]
    .filter((line) => (line.wastedMonthly ?? 0) > 0)
    .sort((a, b) => (b.wastedMonthly ?? 0) - (a.wastedMonthly ?? 0))
    .slice(0, 20)
    .map((line) => {
      const used = (free: number, all: number): string =>
        `${all > 0 ? Math.round((100 * (all - free)) / all) : 0} %`;
      return `<tr><td><code>${escaped(line.name)}</code></td><td>${escaped(line.instanceType)}</td><td class="n">${line.pods}</td><td class="n">${used(line.cpuFree, line.cpu)}</td><td class="n">${used(line.memoryFree, line.memory)}</td><td class="n">${money(line.monthlyCost ?? 0)}</td><td class="n">${money(line.wastedMonthly ?? 0)}</td><td>${line.fate}</td></tr>`;
    })
    .join('');
  if (rows === '') return '';
  return `<section><h2>Where the money goes</h2><p>The nodes with the most that is paid for and asked for by no pod, today.</p><table class="wide"><thead><tr><th>node</th><th>machine</th><th class="n">pods</th><th class="n">CPU asked for</th><th class="n">memory asked for</th><th class="n">a month</th><th class="n">of it unused</th><th>the plan</th></tr></thead><tbody>${rows}</tbody></table></section>`;
};

/** One page with nothing to load: numbers, nodes and pods before and after, and what stands in the way. */
export const pageOf = (report: Report, cluster: Cluster, result: RebalanceResult): string => {
  const { before, after } = boxesOf(cluster, result);
  const widest = Math.max(1, ...[...before, ...after].map((box) => box.cpu));
  const used = (boxes: readonly Box[]): string =>
    `${usage(boxes, 'cpu')} % of CPU and ${usage(boxes, 'memory')} % of memory asked for`;
  const picture = (title: string, boxes: readonly Box[]): string =>
    `<section><h2>${title} <small>${count(boxes.length, 'node')}, ${used(boxes)}</small></h2><div class="nodes">${boxes.map((box) => drawBox(box, widest)).join('')}</div></section>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>What this cluster costs, and could cost</title><style>${STYLE}</style></head>
<body><main><header><h1>What this cluster costs, and could cost</h1><p>${count(report.nodes, 'node')}, ${count(report.pods, 'pod')}${report.pending > 0 ? `, ${DOLLARS.format(report.pending)} of them waiting for a node` : ''}. Nothing has been changed.</p></header>
<div class="cards">${card('saved', `${report.savingsPercent} %`, [`${money(report.monthlySavings)} a month`, `${money(report.monthlySavings * 12)} a year`], 'saved')}${card('today', money(report.monthlyBefore), ['a month', used(before)])}${card('planned', money(report.monthlyAfter), ['a month', used(after)])}${card('moves', DOLLARS.format(report.podsMoved), ['pods change nodes', `${DOLLARS.format(sum(before, (box) => (box.fate === 'goes' ? 1 : 0)))} nodes go, ${DOLLARS.format(report.added.length)} come`])}</div>
${report.reason ? `<p class="bound">${escaped(report.reason)}</p>` : ''}${scale(report)}${boundOf(report)}
<section class="fleet"><h2>Machines</h2>${fleetOf(before, after)}</section>
${picture('Today', before)}${picture('Planned', after)}
<p class="legend">Each block is a node, the dearest first; the larger the machine, the wider. The upper bar is its CPU, the lower its memory; each colour is a workload, what is pale is paid for and not asked for. Point at a part to see what it is. <span class="node goes"></span> goes, <span class="node comes"></span> comes.</p>
${wastedOf(report.lines)}${blockedOf(report.lines)}
</main></body></html>
`;
};
