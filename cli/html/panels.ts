import { describeMissing, knownCostOf } from '../report/costs.ts';
import { type NodeBar, sumShares } from './nodebars.ts';
import { drawNode } from './nodesvg.ts';
import { formatCount, formatUsd, sum } from './words.ts';

/** Nodes drawn in one panel: more make a page slow to open and say no more. */
const MOST_DRAWN = 100;

/** Requested part of the allocatable resource, in percent; no node counts for more than it has. */
const usageOf = (nodes: readonly NodeBar[], resource: 'cpu' | 'memory'): number => {
  const allocatable = sum(nodes, (node) => node[resource]);
  const requested = sum(nodes, (node) => Math.min(node[resource], sumShares(node, resource)));
  return allocatable > 0 ? Math.round((100 * requested) / allocatable) : 0;
};

export const describeUsage = (nodes: readonly NodeBar[]): string =>
  nodes.length === 0
    ? 'no nodes'
    : `${usageOf(nodes, 'cpu')} % of CPU and ${usageOf(nodes, 'memory')} % of memory requested`;

/** What the nodes cost that a panel leaves out. */
const describeRest = (nodes: readonly NodeBar[]): string => {
  const cost = knownCostOf(nodes.map(({ price }) => price));
  const amount =
    cost.monthlyCost === null
      ? 'an unknown amount'
      : `${formatUsd(cost.monthlyCost)} per month${describeMissing(cost)}`;
  return `${formatCount(nodes.length, 'more node')} that cost ${amount} are not drawn; the table of machines counts them.`;
};

/** Nodes as bars, those that change first, then the most expensive. */
export const renderPanel = (title: string, nodes: readonly NodeBar[], mostCpu: number): string => {
  const drawn = nodes.slice(0, MOST_DRAWN);
  const rest = nodes.slice(MOST_DRAWN);
  const others = rest.length === 0 ? '' : `<p class="note">${describeRest(rest)}</p>`;
  return `<h3>${title} <small>${formatCount(nodes.length, 'node')}${nodes.length > 0 ? `, ${describeUsage(nodes)}` : ''}</small></h3>${drawn.length === 0 ? '' : `<div class="nodes">${drawn.map((node) => drawNode(node, mostCpu)).join('')}</div>`}${others}`;
};
