import { KARPENTER_NODEPOOL, PLAN } from '../../api/labels.ts';
import { hasJoined, healthOf } from '../../api/nodes.ts';
import type { DaemonSet, Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import { hasEnded, isOfDaemonSet } from '../../api/pods.ts';
import { isTrue } from '../../api/records/condition.ts';
import { type InFlightClaim, requestsOf } from '../../planner/karpenter/inflightclaim.ts';
import { daemonRequests, daemonSetsOn } from '../../planner/scheduling/daemonset.ts';
import { deductRequests, nodeInfoOf } from '../../planner/scheduling/nodeinfo.ts';
import { podRequests } from '../../planner/scheduling/noderesources.ts';
import { labelsOf } from '../pinning/intents.ts';

/** A machine that Karpenter's own provisioner ordered, until its Node is initialized. */
export interface Machine {
  readonly claim: NodeClaim;
  /** Name of its Node, '' until the cloud has answered. */
  readonly nodeName: string;
  readonly node: Node | undefined;
}

/** The objects that machines are derived from. Times in milliseconds. */
export interface MachineSources {
  readonly nodeClaims: readonly NodeClaim[];
  readonly nodePool: (name: string) => NodePool | undefined;
  readonly node: (claim: NodeClaim) => Node | undefined;
  /** Name that the machine's Node will have; undefined until the cloud has answered. */
  readonly nodeName: (providerID: string) => string | undefined;
  readonly now: number;
  /** A node that has been ready for longer is left to kube-scheduler. */
  readonly holdMs: number;
}

/** When the node became ready, in milliseconds since 1970; undefined while it is not. */
const readySince = (node: Node | undefined): number | undefined => {
  const ready = node?.status?.conditions?.find((c) => c.type === 'Ready' && c.status === 'True');
  return ready && Date.parse(ready.lastTransitionTime ?? '');
};

/** True for a node that has been ready for `holdMs`: a pod that it has not taken by then will not land there. */
export const hasBeenReadyFor = (node: Node | undefined, now: number, holdMs: number): boolean => {
  const since = readySince(node);
  return since !== undefined && !(now - since < holdMs);
};

/** True for a claim that Karpenter's provisioner created for pods: not of a plan, nor of a static NodePool. */
export const isBoughtForPods = (claim: NodeClaim, nodePool: MachineSources['nodePool']): boolean => {
  const pool = claim.metadata.labels?.[KARPENTER_NODEPOOL];
  if (pool === undefined || claim.metadata.labels?.[PLAN] !== undefined) return false;
  return nodePool(pool)?.spec.replicas === undefined;
};

/** The machines whose claims are not initialized yet, sorted by claim name. */
export const machinesInFlight = (s: MachineSources): readonly Machine[] =>
  s.nodeClaims
    .filter((claim) => !claim.metadata.deletionTimestamp && !isTrue(claim.status?.conditions, 'Initialized'))
    .filter((claim) => isBoughtForPods(claim, s.nodePool))
    .map((claim): Machine => {
      const node = s.node(claim);
      const id = claim.status?.providerID;
      const known = node?.metadata.name ?? claim.status?.nodeName;
      return { claim, node, nodeName: known || (id ? s.nodeName(id) : undefined) || '' };
    })
    .filter(({ node }) => node === undefined || healthOf(node).kind !== 'sick')
    .filter(({ node }) => !hasBeenReadyFor(node, s.now, s.holdMs))
    .sort((a, b) => (a.claim.metadata.name < b.claim.metadata.name ? -1 : 1));

// The kubelet reports devices some time after it has joined; until then the claim's numbers count.
const allocatableOf = ({ claim, node }: Machine): Readonly<Record<string, string>> => {
  const { cpu, memory, pods } = (hasJoined(node) ? node?.status?.allocatable : undefined) ?? {};
  return {
    ...claim.status?.allocatable,
    ...(cpu !== undefined && { cpu }),
    ...(memory !== undefined && { memory }),
    ...(pods !== undefined && { pods }),
  };
};

/** The requests that a machine was ordered for and its free room, less its bound pods. Throws QuantityError. */
export const inFlightOf = (
  machine: Machine,
  boundPods: readonly Pod[],
  daemonSets: readonly DaemonSet[],
): InFlightClaim => {
  const { claim, node, nodeName } = machine;
  const name = nodeName || claim.metadata.name;
  const labels = { ...labelsOf(claim, name), ...node?.metadata.labels };
  const daemons = daemonRequests(daemonSetsOn(daemonSets, labels, claim.spec.taints ?? []));
  const running = boundPods.filter((pod) => !isOfDaemonSet(pod) && !hasEnded(pod));
  const budget = requestsOf(claim);
  deductRequests(budget, daemons);
  for (const pod of running) deductRequests(budget, podRequests(pod));
  if (!claim.status?.providerID) return { claim, budget, node: undefined };
  const view = nodeInfoOf(
    { metadata: { name, labels }, status: { allocatable: allocatableOf(machine) } },
    running,
  );
  deductRequests(view.free, daemons);
  return { claim, budget, node: view };
};
