import {
  HOSTNAME,
  KARPENTER_INITIALIZED,
  KARPENTER_NODEPOOL,
  KARPENTER_REGISTERED,
  PLAN,
  ZONE,
} from '../../api/labels.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { isTrue } from '../../api/records/condition.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { daemonRequests, daemonSetsOn } from '../scheduling/daemonset.ts';
import { deductRequests, type NodeInfo, nodeInfoOf } from '../scheduling/nodeinfo.ts';
import type { Cluster } from './clusterview.ts';

/** Whether a claim's machine has started: without a node in the snapshot it is gone, while others may be to be seen yet. */
const isInitialized = ({ status }: NodeClaim): boolean => isTrue(status?.conditions, 'Initialized');

/** The labels that a claim's machine will have for sure: its own, and requirements with one value. */
const labelsOf = ({ metadata, spec }: NodeClaim): Record<string, string> => ({
  ...Object.fromEntries(
    spec.requirements.flatMap(({ key, operator, values = [] }) =>
      operator === 'In' && values.length === 1 ? [[key, values[0] as string]] : [],
    ),
  ),
  ...metadata.labels,
  [HOSTNAME]: metadata.name,
  [KARPENTER_REGISTERED]: 'true',
  [KARPENTER_INITIALIZED]: 'true',
});

/** The node that a claim's machine will be. Before it is launched it has what its pods asked for, and maybe more. */
const nodeOf = (claim: NodeClaim): Node => ({
  metadata: { name: claim.metadata.name, labels: labelsOf(claim) },
  spec: { taints: claim.spec.taints ?? [] },
  status: { allocatable: claim.status?.allocatable ?? claim.spec.resources?.requests ?? {} },
});

/**
 * Machines that Karpenter has ordered and whose nodes have not joined: room that is paid for. Those of our own plans are
 * not among them, since they are kept for those plans' pods, nor those in zones that are shifted away.
 */
export const machinesUnderWay = ({
  snapshot,
  facts,
  shiftedZones,
}: Pick<Cluster, 'snapshot' | 'facts' | 'shiftedZones'>): readonly NodeInfo[] => {
  const joined = new Set(facts.flatMap(({ claim }) => (claim ? [claim.metadata.name] : [])));
  const names = new Set(facts.map(({ node }) => node.metadata.name));
  return snapshot.nodeClaims
    .filter((claim) => {
      const { name, labels, deletionTimestamp } = claim.metadata;
      return (
        !joined.has(name) &&
        !names.has(name) &&
        deletionTimestamp === undefined &&
        labels?.[KARPENTER_NODEPOOL] !== undefined &&
        labels[PLAN] === undefined &&
        !isInitialized(claim)
      );
    })
    .map((claim) => {
      const view = nodeInfoOf(nodeOf(claim), []);
      deductRequests(view.free, daemonRequests(daemonSetsOn(snapshot.daemonSets, view.labels, view.taints)));
      return view;
    })
    .filter(({ labels }) => !shiftedZones.some(({ zone }) => zone === valueAt(labels, ZONE)));
};
