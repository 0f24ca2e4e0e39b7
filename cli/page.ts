import type { NodeCost } from '../api/rebalanceplan.ts';
import type { Cluster } from '../planner/cluster.ts';
import { readAmounts } from '../planner/nodeview.ts';
import { podRequests } from '../planner/podresources.ts';
import type { RebalanceResult } from '../planner/rebalance.ts';
import type { Report } from './report.ts';

const MIB = 1024 * 1024;

const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

interface Box {
  readonly name: string;
  readonly title: string;
  /** Millicores. */
  readonly cpu: number;
  /** MiB. */
  readonly memory: number;
  readonly pods: readonly { readonly name: string; readonly cpu: number; readonly memory: number }[];
}

/** A colour that goes with a workload wherever its pods are. */
const colour = (workload: string): string => {
  let hash = 0;
  for (const sign of workload) hash = (hash * 31 + sign.charCodeAt(0)) % 360;
  return `hsl(${hash} 55% 58%)`;
};

const workloadOf = (podName: string): string => podName.replace(/(-[a-z0-9]{8,10})?-[a-z0-9]+$/, '');

const HEIGHT = 18;

/** One node: above what of its CPU is asked for, pod by pod, below what of its memory. */
const drawBox = (box: Box, widest: number): string => {
  const width = Math.max(40, Math.round((420 * box.cpu) / Math.max(1, widest)));
  const row = (y: number, part: (pod: Box['pods'][number]) => number): string => {
    let x = 0;
    return box.pods
      .map((pod) => {
        const wide = width * part(pod);
        const at = x;
        x += wide;
        return `<rect x="${at.toFixed(1)}" y="${y}" width="${Math.max(0, wide - 0.6).toFixed(1)}" height="${HEIGHT}" fill="${colour(workloadOf(pod.name))}"><title>${escaped(pod.name)}: ${pod.cpu}m CPU, ${pod.memory} MiB</title></rect>`;
      })
      .join('');
  };
  return `<figure><figcaption>${escaped(box.name)} <small>${escaped(box.title)}</small></figcaption><svg width="${width}" height="${2 * HEIGHT + 2}"><rect width="${width}" height="${2 * HEIGHT + 2}" class="free"/>${row(0, (pod) => pod.cpu / Math.max(1, box.cpu))}${row(HEIGHT + 2, (pod) => pod.memory / Math.max(1, box.memory))}</svg></figure>`;
};

const boxesBefore = (cluster: Cluster): Box[] =>
  cluster.facts.map((facts, index) => {
    const all = readAmounts(facts.node.status?.allocatable);
    return {
      name: facts.node.metadata.name,
      title: facts.price === undefined ? 'price not known' : `${facts.price.toFixed(3)} USD/h`,
      cpu: all.get('cpu') ?? 0,
      memory: (all.get('memory') ?? 0) / MIB,
      pods: (cluster.views[index]?.pods ?? []).map((pod) => podOf(pod)),
    };
  });

const podOf = (pod: Cluster['pending'][number]): Box['pods'][number] => {
  const requests = podRequests(pod);
  return {
    name: pod.metadata.name,
    cpu: requests.get('cpu') ?? 0,
    memory: Math.round((requests.get('memory') ?? 0) / MIB),
  };
};

const boxesAfter = (cluster: Cluster, result: RebalanceResult): Box[] => {
  const { plan } = result;
  if (!plan) return boxesBefore(cluster);
  const claimOf = new Map(
    cluster.facts.map((facts) => [facts.node.metadata.name, facts.claim?.metadata.name]),
  );
  const gone = new Set((plan.savings.blueNodes ?? []).map((each) => each.name));
  const moved = new Map(
    (plan.spec.podsToMigrate ?? []).map((each) => [`${each.namespace}/${each.name}`, each.dstNodeClaimName]),
  );
  const keyOf = (pod: Cluster['pending'][number]): string =>
    `${pod.metadata.namespace ?? 'default'}/${pod.metadata.name}`;
  const arriving = new Map<string, Box['pods'][number][]>();
  for (const pod of cluster.views.flatMap((view) => view.pods)) {
    const to = moved.get(keyOf(pod));
    if (to !== undefined) arriving.set(to, [...(arriving.get(to) ?? []), podOf(pod)]);
  }
  const kept = boxesBefore(cluster)
    .filter((box) => !gone.has(box.name))
    .map((box) => {
      const view = cluster.views.find((each) => each.name === box.name);
      const stay = (view?.pods ?? []).filter((pod) => !moved.has(keyOf(pod))).map(podOf);
      return { ...box, pods: [...stay, ...(arriving.get(claimOf.get(box.name) ?? '') ?? [])] };
    });
  const added = (plan.savings.greenNodes ?? []).map((node: NodeCost) => ({
    name: node.name,
    title: `${node.instanceType}, ${Number(node.priceHourly).toFixed(3)} USD/h`,
    cpu: node.milliCPU,
    memory: node.memoryMiB,
    pods: arriving.get(node.name) ?? [],
  }));
  return [...kept, ...added];
};

/** One page with nothing to load: numbers, nodes and pods before and after, and what stands in the way. */
export const pageOf = (report: Report, cluster: Cluster, result: RebalanceResult): string => {
  const before = boxesBefore(cluster);
  const after = boxesAfter(cluster, result);
  const widest = Math.max(1, ...before.map((box) => box.cpu), ...after.map((box) => box.cpu));
  const draw = (boxes: readonly Box[]): string => boxes.map((box) => drawBox(box, widest)).join('');
  const blocked = report.lines.filter((line) => line.reasons.length > 0);
  const rows = blocked
    .map((line) => `<tr><td>${escaped(line.name)}</td><td>${escaped(line.reasons.join('; '))}</td></tr>`)
    .join('');
  const bound =
    report.lowerBoundMonthly === null
      ? ''
      : `<p>No plan can bring the nodes that may be replaced below ${report.lowerBoundMonthly.toFixed(2)} USD a month; this one is ${report.gapPercent} % above that.</p>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>precision-packer report</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1d2430}h1{font-size:1.4rem}h2{font-size:1.1rem}
.sums{display:flex;gap:3rem}.sums b{display:block;font-size:1.7rem}.nodes{display:flex;flex-wrap:wrap;gap:.7rem 1.2rem}
figure{margin:0}figcaption{font-size:.75rem}small{color:#667}.free{fill:#e8ebf0}td{padding:.15rem 1rem .15rem 0;vertical-align:top}
</style></head><body><h1>What this cluster costs, and could cost</h1>
<div class="sums"><div>before<b>${report.monthlyBefore.toFixed(2)}</b>USD a month, ${report.nodes} nodes</div>
<div>after<b>${report.monthlyAfter.toFixed(2)}</b>USD a month, ${after.length} nodes</div>
<div>savings<b>${report.savingsPercent} %</b>${report.monthlySavings.toFixed(2)} USD a month, ${report.podsMoved} pods moved</div></div>
${bound}${report.reason ? `<p>${escaped(report.reason)}</p>` : ''}
<p>Each bar is a node, as wide as its CPU; the upper half shows the CPU that its pods ask for, the lower half the memory. Grey is paid for and not asked for.</p>
<h2>Before</h2><div class="nodes">${draw(before)}</div><h2>After</h2><div class="nodes">${draw(after)}</div>
${rows ? `<h2>Left out</h2><table>${rows}</table>` : ''}</body></html>
`;
};
