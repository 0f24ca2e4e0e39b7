import { KARPENTER_UNREGISTERED_TAINT, NOT_READY } from '../../../api/labels.ts';
import { hasJoined } from '../../../api/nodes.ts';
import type { Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { hasEnded, isTerminating, podName } from '../../../api/pods.ts';
import { NODE_CLAIMS, NODES, PODS } from '../../../api/resources.ts';
import { typed } from '../../../kube/testing/memory/api.ts';
import type { Cluster } from './cluster.ts';

/** Kubelets, the node lifecycle controller and the pod garbage collector. */

const READY = { type: 'Ready', status: 'True' } as const;
const NODE_INFO = { kubeletVersion: 'v1.37.2' };

/** A machine's kubelet takes over the Node of its name, or creates it. */
const join = (cluster: Cluster, claim: NodeClaim, name: string): void => {
  const status = { capacity: claim.status?.capacity ?? {}, allocatable: claim.status?.allocatable ?? {} };
  const there = cluster.api.find(NODES, { name });
  if (there) {
    cluster.editNode(name, (n) => ({ ...n, status: { ...n.status, ...status, nodeInfo: NODE_INFO } }));
    return;
  }
  const taints = [
    ...(claim.spec.taints ?? []),
    ...(claim.spec.startupTaints ?? []),
    { key: KARPENTER_UNREGISTERED_TAINT, effect: 'NoExecute' as const },
    { key: NOT_READY, effect: 'NoSchedule' as const },
  ];
  cluster.api.create(
    NODES,
    typed(NODES, {
      metadata: { name, labels: claim.metadata.labels ?? {} },
      spec: { providerID: claim.status?.providerID, taints },
      status: { ...status, nodeInfo: NODE_INFO },
    }),
  );
};

const makeReady = (cluster: Cluster, { metadata }: Node): void =>
  cluster.editNode(metadata.name, (n) => {
    const taints = (n.spec?.taints ?? []).filter((t) => t.key !== NOT_READY);
    const others = (n.status?.conditions ?? []).filter((c) => c.type !== 'Ready');
    return { ...n, spec: { ...n.spec, taints }, status: { ...n.status, conditions: [...others, READY] } };
  });

const runMachine = (cluster: Cluster, claim: NodeClaim): void => {
  const id = claim.status?.providerID;
  const machine = id === undefined ? undefined : cluster.machines.get(id);
  if (id === undefined || !machine || machine.neverJoins) return;
  if (!cluster.isDue(`boot ${id}`, 5_000, 40_000)) return;
  const node = cluster.api.find(NODES, { name: machine.node });
  if (node?.metadata.deletionTimestamp) return;
  if (!node || !hasJoined(node)) join(cluster, claim, machine.node);
  else if (!(node.status?.conditions ?? []).some((c) => c.type === 'Ready' && c.status === 'True')) {
    if (cluster.isDue(`ready ${node.metadata.uid}`, 1_000, 8_000)) makeReady(cluster, node);
  }
};

const runPod = (cluster: Cluster, pod: Pod, node: Node): void => {
  const { uid } = pod.metadata;
  if (!hasJoined(node) || hasEnded(pod)) return;
  if (isTerminating(pod)) {
    const grace = (pod.metadata.deletionGracePeriodSeconds ?? 30) * 1_000;
    if (
      cluster.isDue(`end ${uid}`, Math.min(500, grace), Math.min(6_000, grace)) &&
      !pod.metadata.finalizers?.length
    )
      cluster.api.store.remove(PODS, pod);
    return;
  }
  const isRunning = pod.status?.phase === 'Running';
  if (!isRunning && cluster.isDue(`run ${uid}`, 1_000, 4_000)) {
    const startTime = cluster.api.store.timestamp();
    cluster.editPod(pod, (p) => ({ ...p, status: { ...p.status, phase: 'Running', startTime } }));
  }
  const isSlow = pod.metadata.labels?.slow === 'true';
  if (
    isRunning &&
    !pod.status?.conditions?.length &&
    cluster.isDue(`serve ${uid}`, 1_000, isSlow ? 60_000 : 5_000)
  )
    cluster.editPod(pod, (p) => ({ ...p, status: { ...p.status, conditions: [READY] } }));
};

/** Ends the pods of a node that is gone: nobody else can. */
const collectPod = (cluster: Cluster, pod: Pod): void => {
  if (!cluster.isDue(`collect ${pod.metadata.uid}`, 40_000, 60_000)) return;
  cluster.tell(
    `The pod garbage collector removes pod ${podName(pod)}: its node ${pod.spec.nodeName} is gone`,
  );
  cluster.api.store.remove(PODS, pod);
};

export const kubelets = (cluster: Cluster): void => {
  for (const claim of cluster.api.list(NODE_CLAIMS)) {
    if (!claim.metadata.deletionTimestamp) runMachine(cluster, claim);
  }
  for (const pod of cluster.api.pods()) {
    const { nodeName } = pod.spec;
    if (nodeName === undefined) continue;
    const node = cluster.api.find(NODES, { name: nodeName });
    if (node) runPod(cluster, pod, node);
    else collectPod(cluster, pod);
  }
};
