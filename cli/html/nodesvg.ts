import { formatCpu } from '../../api/quantity.ts';
import type { Box, Share } from './nodebars.ts';

export const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** A hue that goes with a workload wherever its pods are; neighbours in the list of names lie far apart. */
const hueOf = (workload: string): number => {
  let hash = 0;
  for (const sign of workload) hash = (Math.imul(hash, 31) + sign.charCodeAt(0)) | 0;
  return Math.round((((hash >>> 0) * 0.618_033_988_75) % 1) * 360);
};

export const gib = (mib: number): string => `${(mib / 1024).toFixed(mib < 10_240 ? 1 : 0)} GiB`;

const BAR = 9;
const GAP = 2;
const WIDEST = 300;
const NARROWEST = 34;

const bar = (shares: readonly Share[], y: number, width: number, part: (share: Share) => number): string => {
  let x = 0;
  return shares
    .map((share) => {
      const wide = Math.min(width - x, width * part(share));
      const at = x;
      x += wide;
      if (wide < 0.3) return '';
      const what = `${share.workload}${share.pods > 1 ? ` × ${share.pods}` : ''}: ${formatCpu(share.cpu)} CPU, ${gib(share.memory)}`;
      return `<rect x="${at.toFixed(1)}" y="${y}" width="${Math.max(0.3, wide - 0.5).toFixed(1)}" height="${BAR}" style="--h:${hueOf(share.workload)}"><title>${escaped(what)}</title></rect>`;
    })
    .join('');
};

/**
 * One node: the upper bar shows the CPU that its pods ask for, workload by workload, the lower one their memory. Its
 * width goes with the root of its CPU, so that large and small machines can be seen side by side.
 */
export const drawBox = (box: Box, widest: number): string => {
  const width = Math.max(NARROWEST, Math.round(WIDEST * Math.sqrt(box.cpu / Math.max(1, widest))));
  const sum = (part: (share: Share) => number): number =>
    box.shares.reduce((all, each) => all + part(each), 0);
  const pods = sum((share) => share.pods);
  const title = [
    `${box.name}, ${box.instanceType}`,
    box.price === null ? 'price not known' : `${box.price.toFixed(3)} USD an hour`,
    `${pods} pods ask for ${formatCpu(sum((share) => share.cpu))} of ${formatCpu(box.cpu)} CPU and ${gib(sum((share) => share.memory))} of ${gib(box.memory)}`,
  ].join('\n');
  const height = 2 * BAR + GAP;
  return (
    `<div class="node ${box.fate}"><svg width="${width}" height="${height}" role="img"><title>${escaped(title)}</title>` +
    `<rect class="free" width="${width}" height="${BAR}"/><rect class="free" y="${BAR + GAP}" width="${width}" height="${BAR}"/>` +
    bar(box.shares, 0, width, (share) => share.cpu / Math.max(1, box.cpu)) +
    bar(box.shares, BAR + GAP, width, (share) => share.memory / Math.max(1, box.memory)) +
    '</svg></div>'
  );
};
