import type { Cluster } from '../../planner/cluster/clusterview.ts';

/** Why there is nothing to replace in a cluster without nodes, or without Karpenter; undefined in others. */
export const situationOf = ({ facts, pending, snapshot }: Cluster): string | undefined => {
  if (facts.length === 0) {
    const pods = pending.length === 1 ? '1 pod waits' : `${pending.length} pods wait`;
    const waiting =
      pending.length === 0 ? '' : ` ${pods} for a node: plan provision says which machines they need.`;
    return `The cluster has no nodes, so nothing is paid and nothing can be replaced.${waiting}`;
  }
  const isOfKarpenter = snapshot.nodeClaims.length > 0 || snapshot.nodePools.length > 0;
  return isOfKarpenter
    ? undefined
    : 'Karpenter manages nothing here: there is no NodePool and no NodeClaim, and plans replace only nodes of Karpenter. The report shows what the cluster costs today.';
};
