import { INSTANCE_TYPE } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { destinationOf, destinationsByPod } from '../../api/plans.ts';
import { podName } from '../../api/pods.ts';
import type { Cluster } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import { readAmounts } from '../../planner/scheduling/nodeinfo.ts';
import { podRequests } from '../../planner/scheduling/noderesources.ts';
import { clusterNodesOf } from '../clusternodes.ts';
import { createWorkloadOf, type Workload } from '../report/workload.ts';

const MIB = 1024 * 1024;

/** Requests of one workload's pods on one node. CPU in millicores, memory in MiB. */
export interface WorkloadShare {
  /** 'namespace/name'. */
  readonly workload: string;
  readonly pods: number;
  readonly cpu: number;
  readonly memory: number;
}

/** A node as the page draws it. CPU in millicores, memory in MiB, price in USD per hour, undefined if unknown. */
export interface NodeBar {
  readonly name: string;
  readonly instanceType: string;
  readonly price: number | undefined;
  readonly cpu: number;
  readonly memory: number;
  readonly shares: readonly WorkloadShare[];
  readonly fate: 'kept' | 'removed' | 'added';
}

const sharesOf = (pods: readonly Pod[], workloadOf: (pod: Pod) => Workload): WorkloadShare[] => {
  const shares = new Map<string, { workload: string; pods: number; cpu: number; memory: number }>();
  for (const pod of pods) {
    const { namespace, name } = workloadOf(pod);
    const workload = `${namespace}/${name}`;
    const share = shares.get(workload) ?? { workload, pods: 0, cpu: 0, memory: 0 };
    const requests = podRequests(pod);
    share.pods += 1;
    share.cpu += requests.get('cpu') ?? 0;
    share.memory += Math.round((requests.get('memory') ?? 0) / MIB);
    shares.set(workload, share);
  }
  return [...shares.values()].sort((a, b) => b.cpu - a.cpu);
};

/** What all workloads on a node request of a resource. */
export const sumShares = ({ shares }: Pick<NodeBar, 'shares'>, resource: 'cpu' | 'memory' | 'pods'): number =>
  shares.reduce((total, share) => total + share[resource], 0);

const changes = ({ fate }: NodeBar): number => (fate === 'kept' ? 0 : 1);

const byChangeAndPrice = (a: NodeBar, b: NodeBar): number =>
  changes(b) - changes(a) ||
  (b.price ?? 0) - (a.price ?? 0) ||
  (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** Pods that the plan moves, by destination. */
const arrivalsOf = (cluster: Cluster, newPlaceOf: ReadonlyMap<string, string>): Map<string, Pod[]> => {
  const arrivals = new Map<string, Pod[]>();
  for (const pod of cluster.views.flatMap((view) => view.pods)) {
    const place = newPlaceOf.get(podName(pod));
    if (place === undefined) continue;
    const pods = arrivals.get(place);
    if (pods) pods.push(pod);
    else arrivals.set(place, [pod]);
  }
  return arrivals;
};

/** The nodes of a cluster before and after a plan: those that change first, then the most expensive. */
export const nodeBarsOf = (
  cluster: Cluster,
  { plan }: RebalanceResult,
): { readonly before: readonly NodeBar[]; readonly after: readonly NodeBar[] } => {
  const removed = new Set((plan?.savings.blueNodes ?? []).map((node) => node.name));
  const newPlaceOf = destinationsByPod(plan?.spec ?? {});
  const arrivals = arrivalsOf(cluster, newPlaceOf);
  const workloadOf = createWorkloadOf(cluster.snapshot.replicaSets);
  const existing = clusterNodesOf(cluster).map(({ facts, view }) => {
    const allocatable = readAmounts(facts.node.status?.allocatable);
    const { name, labels } = facts.node.metadata;
    const { pods } = view;
    const before: NodeBar = {
      name,
      instanceType: labels?.[INSTANCE_TYPE] ?? '',
      price: facts.price,
      cpu: allocatable.get('cpu') ?? 0,
      memory: Math.floor((allocatable.get('memory') ?? 0) / MIB),
      shares: sharesOf(pods, workloadOf),
      fate: removed.has(name) ? 'removed' : 'kept',
    };
    const staying = pods.filter((pod) => !newPlaceOf.has(podName(pod)));
    const { claim } = facts;
    const place = destinationOf(claim ? { dstNodeClaimName: claim.metadata.name } : { dstNodeName: name });
    const arriving = arrivals.get(place) ?? [];
    return { before, after: { ...before, shares: sharesOf([...staying, ...arriving], workloadOf) } };
  });
  const added = (plan?.savings.greenNodes ?? []).map(
    (node): NodeBar => ({
      name: node.name,
      instanceType: node.instanceType,
      price: Number(node.priceHourly),
      cpu: node.milliCPU,
      memory: node.memoryMiB,
      shares: sharesOf(arrivals.get(node.name) ?? [], workloadOf),
      fate: 'added',
    }),
  );
  const kept = existing.flatMap(({ after }) => (after.fate === 'removed' ? [] : [after]));
  return {
    before: existing.map(({ before }) => before).sort(byChangeAndPrice),
    after: [...kept, ...added].sort(byChangeAndPrice),
  };
};
