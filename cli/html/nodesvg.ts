import { formatCpu } from '../../api/quantity.ts';
import { printable } from '../../api/text/printable.ts';
import { type NodeBar, sumShares, type WorkloadShare } from './nodebars.ts';
import { HUES } from './stylesheet.ts';

/** Escapes a text for HTML and for attribute values; of bidi overrides and the like it shows the number. */
export const escapeHtml = (text: string): string =>
  text
    .split('\n')
    .map(printable)
    .join('\n')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Workloads drawn one by one on a node. */
const MOST_SHARES = 6;

/** The largest workloads of a node, and the others as one. */
const withRest = (shares: readonly WorkloadShare[]): readonly Drawn[] => {
  const rest = shares.slice(MOST_SHARES);
  if (rest.length < 2) return shares;
  const all = { shares: rest };
  const pods = sumShares(all, 'pods');
  return [
    ...shares.slice(0, MOST_SHARES),
    {
      workload: `${rest.length} more workloads`,
      pods,
      cpu: sumShares(all, 'cpu'),
      memory: sumShares(all, 'memory'),
      isRest: true,
    },
  ];
};

/** Number of a hue of the stylesheet, equal for a workload on every node; the golden ratio keeps similar names apart. */
const hueOf = (workload: string): number => {
  let hash = 0;
  for (const character of workload) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0;
  return Math.round((((hash >>> 0) * 0.618_033_988_75) % 1) * HUES) % HUES;
};

const formatGib = (mib: number): string => `${(mib / 1024).toFixed(mib < 10_240 ? 1 : 0)} GiB`;

// Pixels.
const BAR_HEIGHT = 9;
const BAR_GAP = 2;
const MAX_WIDTH = 300;
const MIN_WIDTH = 34;

/** A workload's part of a bar, or the part of many. */
type Drawn = WorkloadShare & { readonly isRest?: boolean };

/** One bar with a segment per workload; `part` is a share's part of the bar, 0 to 1. */
const drawBar = (
  shares: readonly Drawn[],
  y: number,
  width: number,
  part: (share: Drawn) => number,
): string => {
  let x = 0;
  return shares
    .map((share) => {
      const segment = Math.min(width - x, width * part(share));
      const start = x;
      x += segment;
      if (segment < 0.3) return '';
      const title = `${share.workload}${share.pods > 1 ? ` × ${share.pods}` : ''}: ${formatCpu(share.cpu)} CPU, ${formatGib(share.memory)}`;
      return `<rect x="${start.toFixed(1)}" y="${y}" width="${Math.max(0.3, segment - 0.5).toFixed(1)}" height="${BAR_HEIGHT}" class="${share.isRest ? 'rest' : `h${hueOf(share.workload)}`}"><title>${escapeHtml(title)}</title></rect>`;
    })
    .join('');
};

/**
 * One node as two bars: the CPU requests of its workloads above, their memory requests below. The width grows with
 * the square root of its CPU, so that large and small nodes fit side by side; `mostCpu` is that of the largest node.
 */
export const drawNode = (node: NodeBar, mostCpu: number): string => {
  const width = Math.max(MIN_WIDTH, Math.round(MAX_WIDTH * Math.sqrt(node.cpu / Math.max(1, mostCpu))));
  const title = [
    `${node.name}, ${node.instanceType}`,
    node.price === undefined ? 'price unknown' : `${node.price.toFixed(3)} USD per hour`,
    `${sumShares(node, 'pods')} pods request ${formatCpu(sumShares(node, 'cpu'))} of ${formatCpu(node.cpu)} CPU and ${formatGib(sumShares(node, 'memory'))} of ${formatGib(node.memory)}`,
  ].join('\n');
  const shares = withRest(node.shares);
  const height = 2 * BAR_HEIGHT + BAR_GAP;
  return (
    `<div class="node ${node.fate}"><svg width="${width}" height="${height}" role="img"><title>${escapeHtml(title)}</title>` +
    `<rect class="free" width="${width}" height="${BAR_HEIGHT}"/><rect class="free" y="${BAR_HEIGHT + BAR_GAP}" width="${width}" height="${BAR_HEIGHT}"/>` +
    drawBar(shares, 0, width, (share) => share.cpu / Math.max(1, node.cpu)) +
    drawBar(shares, BAR_HEIGHT + BAR_GAP, width, (share) => share.memory / Math.max(1, node.memory)) +
    '</svg></div>'
  );
};
