import { marksOn, OUR_MARKS, withoutMarks } from '../../api/identity/marks.ts';
import { ownerMark } from '../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import {
  CORDONED_BY,
  KARPENTER_DO_NOT_DISRUPT,
  KARPENTER_NODEPOOL,
  LOCKED_BY,
  NODE_CLAIM,
  OWNED_BY,
  PLACEHOLDER,
  PLANNED_CLAIM,
} from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import type { Node, NodeClaim, Pod } from '../../api/objects.ts';
import { executionPhaseOf, isFinished } from '../../api/plans.ts';
import { isUnused, podName } from '../../api/pods.ts';
import { hasReservationTaint } from '../../api/reservation.ts';
import { NODE_CLAIMS, NODES, PODS, type Resource } from '../../api/resources.ts';
import type { Inventory } from './inventory.ts';
import { withoutCordon, withoutGuard, withoutLock, withoutRoomGuard } from './nodemarks.ts';
import type { UndoStep } from './step.ts';

/** What is undone on Nodes and NodeClaims. */

const OUR_TAINTS: ReadonlySet<string> = new Set(OUR_MARKS.taints);

/** What becomes of a NodeClaim: given up with its machine, opened to everyone, or only stripped of our marks. */
type Fate = 'withdraw' | 'release' | 'strip';

export interface NodeView {
  readonly node: Node | undefined;
  readonly claim: NodeClaim | undefined;
  readonly pods: readonly Pod[];
  readonly plan: RebalancePlan | undefined;
  /** Phase that the plan is in, or failed in; undefined without one. */
  readonly phase: 'Creation' | 'Deletion' | undefined;
  /** True where the NodePool or the plan wants do-not-disrupt on the node for good. */
  readonly isKeptGuarded: boolean;
}

const isPlaceholder = (node: Node | undefined): node is Node =>
  node?.metadata.labels?.[PLACEHOLDER] !== undefined && !hasJoined(node);

/** True for a NodeClaim that a plan ordered and has not released. */
const isReserved = (claim: NodeClaim): boolean =>
  claim.metadata.annotations?.[OWNED_BY] !== undefined &&
  claim.metadata.annotations[KARPENTER_DO_NOT_DISRUPT] !== undefined;

/** True for a plan that has undone all that was to be undone, or will not be asked to. */
const isSettled = (plan: RebalancePlan): boolean =>
  isFinished(plan) && plan.status?.state !== 'Canceled' && plan.status?.state !== 'Failed';

/**
 * A machine that runs pods is kept, with its plan or without: no pod is lost. Without its plan, one that was opened may be
 * anybody's, so an empty one is left to Karpenter.
 */
export const fateOf = ({ node, claim, pods, plan, phase }: Omit<NodeView, 'isKeptGuarded'>): Fate => {
  if (isPlaceholder(node)) return 'withdraw';
  if (!claim || !isReserved(claim) || (plan && isSettled(plan))) return 'strip';
  if (!hasJoined(node)) return 'withdraw';
  if (!isUnused(node, pods)) return 'release';
  const isOnlyOurs = plan ? phase === 'Creation' : node && hasReservationTaint(node);
  return isOnlyOurs ? 'withdraw' : 'release';
};

/** The node of a NodeClaim, by name, while both exist. */
export const nodeNamesOf = ({
  nodes,
  nodeClaims,
}: Pick<Inventory, 'nodes' | 'nodeClaims'>): ((claim: string) => string | undefined) => {
  const ids = new Map(nodeClaims.map(({ metadata, status }) => [metadata.name, status?.providerID]));
  const names = new Map(nodes.map(({ metadata, spec }) => [spec?.providerID ?? '', metadata.name]));
  return (claim) => names.get(ids.get(claim) || 'none');
};

/** Pairs Nodes with their NodeClaims, pods and plans. */
export const viewsOf = (inventory: Inventory): readonly NodeView[] => {
  const { nodes, nodeClaims, nodePools, pods, plans } = inventory;
  const nodeNameOf = nodeNamesOf(inventory);
  const byId = new Map(
    nodes.flatMap((node) => (node.spec?.providerID ? [[node.spec.providerID, node]] : [])),
  );
  const byName = new Map(nodes.map((node) => [node.metadata.name, node]));
  const byClaim = new Map(nodes.map((node) => [node.metadata.annotations?.[NODE_CLAIM] ?? '', node]));
  const podsOn = Map.groupBy(pods, (pod) => pod.spec.nodeName ?? '');
  const planOf = new Map(plans.map((plan) => [ownerMark(plan), plan]));
  const pools = new Map(nodePools.map((pool) => [pool.metadata.name, pool]));
  const view = (node: Node | undefined, claim: NodeClaim | undefined): NodeView => {
    const poolName = { ...node?.metadata.labels, ...claim?.metadata.labels }[KARPENTER_NODEPOOL] ?? '';
    const plan = planOf.get(claim?.metadata.annotations?.[OWNED_BY] ?? '');
    const planned = plan?.spec.nodeClaimsToAdd?.find(
      ({ metadata }) => metadata.name === claim?.metadata.annotations?.[PLANNED_CLAIM],
    );
    const wishes = [planned?.metadata, pools.get(poolName)?.spec.template.metadata];
    return {
      node,
      claim,
      pods: node ? (podsOn.get(node.metadata.name) ?? []) : [],
      plan,
      phase: plan && executionPhaseOf(plan, nodeNameOf),
      isKeptGuarded: wishes.some((m) => m?.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined),
    };
  };
  const ofClaims = nodeClaims.map((claim) => {
    const { providerID = '', nodeName = '' } = claim.status ?? {};
    return view(byId.get(providerID) ?? byName.get(nodeName) ?? byClaim.get(claim.metadata.name), claim);
  });
  const paired = new Set(ofClaims.map(({ node }) => node?.metadata.name));
  return [
    ...ofClaims,
    ...nodes.filter((node) => !paired.has(node.metadata.name)).map((node) => view(node, undefined)),
  ];
};

/** A machine that never joined: its pods first, since no kubelet would end them, then what Karpenter ends it by. */
const withdrawSteps = ({ node, claim, pods }: NodeView): readonly UndoStep[] => {
  const isJoined = hasJoined(node);
  const stranded = isJoined ? [] : pods;
  if (stranded.length > 0) {
    return stranded.map(({ metadata }): UndoStep => {
      const { name, namespace = 'default', uid } = metadata;
      return {
        kind: 'delete',
        resource: PODS,
        ref: { name, namespace },
        ...(uid && { uid }),
        isAtOnce: true,
        object: `Pod ${podName({ metadata } as Pod)}`,
        what: `delete it: the machine of its node ${node?.metadata.name} has not joined, and its controller makes another`,
      };
    });
  }
  if (claim) {
    if (claim.metadata.deletionTimestamp) return [];
    const { name, uid } = claim.metadata;
    return [
      {
        kind: 'delete',
        resource: NODE_CLAIMS,
        ref: { name },
        ...(uid && { uid }),
        object: `NodeClaim ${name}`,
        what: 'delete it: a plan ordered it and has put no pod on it',
      },
    ];
  }
  if (!node || node.metadata.deletionTimestamp) return [];
  const { name, uid } = node.metadata;
  return [
    {
      kind: 'delete',
      resource: NODES,
      ref: { name },
      ...(uid && { uid }),
      object: `Node ${name}`,
      what: 'delete it: it stands for a machine that nobody ordered',
    },
  ];
};

const hasKeys = (object: object): boolean => Object.keys(object).length > 0;

const patchStep = (
  resource: Resource,
  kind: string,
  name: string,
  body: object,
  what: readonly string[],
): UndoStep => ({
  kind: 'patch',
  resource,
  ref: { name },
  body,
  object: `${kind} ${name}`,
  what: what.join(', '),
});

const LET_DISRUPT = 'let Karpenter disrupt it';

/** The NodeClaim without our marks. */
const claimSteps = ({ metadata }: NodeClaim, isOpened: boolean): readonly UndoStep[] => {
  const marks = withoutMarks({ metadata });
  const guard = isOpened ? withoutGuard({ metadata }) : {};
  if (metadata.deletionTimestamp || (!marks && !hasKeys(guard))) return [];
  const { uid, resourceVersion, name } = metadata;
  const annotations = { ...marks?.annotations, ...guard };
  const what = [
    ...(hasKeys(guard) ? [LET_DISRUPT] : []),
    ...marksOn({ metadata }).map((mark) => `remove ${mark}`),
  ];
  const body = { metadata: { uid, resourceVersion, ...marks, annotations } };
  return [patchStep(NODE_CLAIMS, 'NodeClaim', name, body, what)];
};

/** The Node without our lock, cordon, reservation and marks. */
const openNodeSteps = (node: Node, isOpened: boolean): readonly UndoStep[] => {
  const { name, uid, resourceVersion, annotations: present = {} } = node.metadata;
  const taints = node.spec?.taints ?? [];
  const left = taints.filter(({ key }) => !OUR_TAINTS.has(key));
  const ours = taints.filter(({ key }) => OUR_TAINTS.has(key)).map(({ key }) => key);
  const isTainted = ours.length > 0;
  const cordon = present[CORDONED_BY] === undefined ? undefined : withoutCordon(node);
  const lock = present[LOCKED_BY] === undefined ? {} : withoutLock(node);
  const guard = isOpened && present[KARPENTER_DO_NOT_DISRUPT] !== undefined ? withoutGuard(node) : {};
  const marks = withoutMarks(node);
  const room = withoutRoomGuard(node);
  if (!marks && !isTainted && !hasKeys(guard)) return [];
  const isUncordoned = cordon?.isOpened === true && node.spec?.unschedulable === true;
  const isFreed = [lock, guard, room].some((each) => each[KARPENTER_DO_NOT_DISRUPT] === null);
  const what = [
    ...(isUncordoned ? ['uncordon it'] : []),
    ...(isFreed ? [LET_DISRUPT] : []),
    ...(isTainted ? [`remove the taint ${ours.join(', ')}`] : []),
    ...marksOn(node).map((mark) => `remove ${mark}`),
  ];
  const metadata = {
    uid,
    resourceVersion,
    labels: { ...marks?.labels, ...cordon?.labels },
    annotations: { ...marks?.annotations, ...lock, ...guard, ...room },
  };
  const spec = {
    ...(isUncordoned && { unschedulable: null }),
    ...(isTainted && { taints: left.length > 0 ? left : null }),
  };
  return [patchStep(NODES, 'Node', name, { metadata, spec }, what)];
};

/** True for a Node that still says it is reserved while its NodeClaim was opened: its own write met another one. */
const isHalfOpened = (node: Node | undefined, claim: NodeClaim | undefined): boolean =>
  claim !== undefined &&
  claim.metadata.annotations?.[OWNED_BY] === undefined &&
  node?.metadata.annotations?.[OWNED_BY] !== undefined;

/** Both are written at once: Karpenter copies annotations of a NodeClaim to its Node only when it registers that. */
const openSteps = ({ node, claim, isKeptGuarded }: NodeView, fate: Fate): readonly UndoStep[] => {
  const isOpened = fate === 'release' && !isKeptGuarded;
  const isNodeOpened = isOpened || (!isKeptGuarded && isHalfOpened(node, claim));
  return [...(claim ? claimSteps(claim, isOpened) : []), ...(node ? openNodeSteps(node, isNodeOpened) : [])];
};

/** The steps for one Node with its NodeClaim. */
export const nodeSteps = (view: NodeView): readonly UndoStep[] => {
  const fate = fateOf(view);
  return fate === 'withdraw' ? withdrawSteps(view) : openSteps(view, fate);
};
