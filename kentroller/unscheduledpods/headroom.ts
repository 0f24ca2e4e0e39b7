import { KARPENTER_CAPACITY_TYPE } from '../../api/labels.ts';
import { isWorker } from '../../api/nodes.ts';
import type { Node, NodeClaim, Pod } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { isLeaving } from '../../planner/cluster/waitingpods.ts';
import { isScopedNode, SCOPE_LABELS, SCOPE_TAINT } from '../../planner/model/nodepool.ts';
import { virtualName } from '../capacitybuffers/pods.ts';
import type { Headroom, Policies } from '../policies/settings.ts';

/**
 * Headroom as pods that no one starts, as CapacityBuffers are. It is a percentage of the capacity of workers as their nodes
 * report it, before what the system and DaemonSets take, cordoned nodes and those that others take out left out.
 */

const NAMESPACE = 'kube-system';
const SPOT = 'spot';
/** Most that one pod stands for: 1 core, 4 GiB. Larger ones would fit only on nodes that are nearly empty. */
const CHUNK = { milliCpu: 1_000, bytes: 4 * 1_024 ** 3 };
const MAX_CHUNKS = 1_000;
/** Below every pod of the cluster: where not all have room, headroom has none. */
const PRIORITY = -2_000_000_000;

/** Which nodes headroom lies on. */
interface Place {
  readonly onSpot: boolean;
  readonly isScoped: boolean;
}

/** CPU in millicores, memory in bytes. */
export interface Room {
  readonly milliCpu: number;
  readonly bytes: number;
}

const isSpot = ({ metadata }: Node): boolean => metadata.labels?.[KARPENTER_CAPACITY_TYPE] === SPOT;

const roomOf = (nodes: readonly Node[], { cpuPercentage, memoryPercentage }: Headroom): Room => {
  const sum = (resource: 'cpu' | 'memory'): number =>
    nodes.reduce((total, { status }) => total + amount(resource, status?.capacity?.[resource] ?? '0'), 0);
  return {
    milliCpu: Math.ceil((sum('cpu') * cpuPercentage) / 100),
    bytes: Math.ceil((sum('memory') * memoryPercentage) / 100),
  };
};

/** The headroom that the policy asks for now, on spot nodes and on all others; in scoped mode, of nodes with its taint. */
export const headroomOf = (
  settings: Policies['unschedulablePods'],
  { nodes, nodeClaims }: { readonly nodes: readonly Node[]; readonly nodeClaims: readonly NodeClaim[] },
  isScoped = false,
): { readonly onDemand: Room | undefined; readonly spot: Room | undefined } => {
  if (!settings?.headroom && !settings?.headroomSpot) return { onDemand: undefined, spot: undefined };
  const claims = new Map(nodeClaims.map((claim) => [claim.status?.providerID ?? '', claim]));
  const workers = nodes.filter(
    (node) =>
      isWorker(node) &&
      node.spec?.unschedulable !== true &&
      (!isScoped || isScopedNode(node)) &&
      !isLeaving({ node, claim: claims.get(node.spec?.providerID || 'none') }),
  );
  const { headroom, headroomSpot } = settings;
  return {
    onDemand:
      headroom &&
      roomOf(
        workers.filter((node) => !isSpot(node)),
        headroom,
      ),
    spot: headroomSpot && roomOf(workers.filter(isSpot), headroomSpot),
  };
};

const podOf = (name: string, room: Room, { onSpot, isScoped }: Place): Pod => ({
  metadata: { name, namespace: NAMESPACE, uid: name, labels: {} },
  spec: {
    priority: PRIORITY,
    ...(isScoped && {
      nodeSelector: SCOPE_LABELS,
      tolerations: [{ key: SCOPE_TAINT.key, operator: 'Exists', effect: SCOPE_TAINT.effect }],
    }),
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            {
              matchExpressions: [
                { key: KARPENTER_CAPACITY_TYPE, operator: onSpot ? 'In' : 'NotIn', values: [SPOT] },
              ],
            },
          ],
        },
      },
    },
    containers: [
      { name: 'room', resources: { requests: { cpu: `${room.milliCpu}m`, memory: String(room.bytes) } } },
    ],
  },
  status: {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }],
  },
});

const podsOf = (room: Room | undefined, place: Place): readonly Pod[] => {
  if (!room || (room.milliCpu === 0 && room.bytes === 0)) return [];
  const count = Math.min(
    MAX_CHUNKS,
    Math.max(Math.ceil(room.milliCpu / CHUNK.milliCpu), Math.ceil(room.bytes / CHUNK.bytes)),
  );
  const each = { milliCpu: Math.ceil(room.milliCpu / count), bytes: Math.ceil(room.bytes / count) };
  return Array.from({ length: count }, (_, at) =>
    podOf(virtualName(place.onSpot ? 'headroom-spot' : 'headroom', at + 1), each, place),
  );
};

/** The pods that the headroom stands for. */
export const headroomPods = (
  settings: Policies['unschedulablePods'],
  cluster: { readonly nodes: readonly Node[]; readonly nodeClaims: readonly NodeClaim[] },
  isScoped = false,
): readonly Pod[] => {
  const { onDemand, spot } = headroomOf(settings, cluster, isScoped);
  return [...podsOf(onDemand, { onSpot: false, isScoped }), ...podsOf(spot, { onSpot: true, isScoped })];
};
