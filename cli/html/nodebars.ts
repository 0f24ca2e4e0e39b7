import { INSTANCE_TYPE } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import type { Cluster } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import { namespaceOf } from '../../planner/scheduling/interpodaffinity.ts';
import { readAmounts } from '../../planner/scheduling/nodeinfo.ts';
import { podRequests } from '../../planner/scheduling/noderesources.ts';

const MIB = 1024 * 1024;

/** Pods of one workload on one node. CPU in millicores, memory in MiB, all together. */
export interface Share {
  readonly workload: string;
  readonly pods: number;
  readonly cpu: number;
  readonly memory: number;
}

/** A node as the page draws it. CPU in millicores, memory in MiB, price in USD per hour. */
export interface Box {
  readonly name: string;
  readonly instanceType: string;
  readonly price: number | null;
  readonly cpu: number;
  readonly memory: number;
  readonly shares: readonly Share[];
  readonly fate: 'stays' | 'goes' | 'comes';
}

/** The workload of a pod, as people call it: of a ReplicaSet, the Deployment's name. */
const workloadOf = (pod: Pod): string => {
  const owner = controllerOf(pod);
  const name = owner ? owner.name : pod.metadata.name;
  return `${namespaceOf(pod)}/${owner?.kind === 'ReplicaSet' ? name.replace(/-[a-z0-9]{8,10}$/, '') : name}`;
};

const sharesOf = (pods: readonly Pod[]): Share[] => {
  const shares = new Map<string, { workload: string; pods: number; cpu: number; memory: number }>();
  for (const pod of pods) {
    const workload = workloadOf(pod);
    const share = shares.get(workload) ?? { workload, pods: 0, cpu: 0, memory: 0 };
    const requests = podRequests(pod);
    share.pods += 1;
    share.cpu += requests.get('cpu') ?? 0;
    share.memory += Math.round((requests.get('memory') ?? 0) / MIB);
    shares.set(workload, share);
  }
  return [...shares.values()].sort((a, b) => b.cpu - a.cpu);
};

const idOf = (pod: Pod): string => `${namespaceOf(pod)}/${pod.metadata.name}`;

const byPrice = (a: Box, b: Box): number =>
  (b.price ?? 0) - (a.price ?? 0) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** The nodes before and after a plan, each with what is on it, the dearest first. */
export const boxesOf = (
  cluster: Cluster,
  { plan }: RebalanceResult,
): { readonly before: readonly Box[]; readonly after: readonly Box[] } => {
  const gone = new Set((plan?.savings.blueNodes ?? []).map((each) => each.name));
  const moved = new Map(
    (plan?.spec.podsToMigrate ?? []).map((each) => [`${each.namespace}/${each.name}`, each.dstNodeClaimName]),
  );
  const arriving = new Map<string, Pod[]>();
  for (const pod of cluster.views.flatMap((view) => view.pods)) {
    const to = moved.get(idOf(pod));
    if (to === undefined) continue;
    const pods = arriving.get(to);
    if (pods) pods.push(pod);
    else arriving.set(to, [pod]);
  }
  const standing = cluster.facts.map((facts, index) => {
    const all = readAmounts(facts.node.status?.allocatable);
    const { name, labels } = facts.node.metadata;
    const pods = cluster.views[index]?.pods ?? [];
    const box: Box = {
      name,
      instanceType: labels?.[INSTANCE_TYPE] ?? '',
      price: facts.price ?? null,
      cpu: all.get('cpu') ?? 0,
      memory: Math.floor((all.get('memory') ?? 0) / MIB),
      shares: sharesOf(pods),
      fate: gone.has(name) ? 'goes' : 'stays',
    };
    const stay = pods.filter((pod) => !moved.has(idOf(pod)));
    const later = [...stay, ...(arriving.get(facts.claim?.metadata.name ?? '') ?? [])];
    return { box, after: { ...box, shares: sharesOf(later) } };
  });
  const coming = (plan?.savings.greenNodes ?? []).map(
    (node): Box => ({
      name: node.name,
      instanceType: node.instanceType,
      price: Number(node.priceHourly),
      cpu: node.milliCPU,
      memory: node.memoryMiB,
      shares: sharesOf(arriving.get(node.name) ?? []),
      fate: 'comes',
    }),
  );
  return {
    before: standing.map((each) => each.box).sort(byPrice),
    after: [...standing.flatMap((each) => (each.box.fate === 'goes' ? [] : [each.after])), ...coming].sort(
      byPrice,
    ),
  };
};
