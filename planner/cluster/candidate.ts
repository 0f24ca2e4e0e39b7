import { isMarked } from '../../api/identity/marks.ts';
import type { RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import {
  KARPENTER_DISRUPTED_TAINT,
  KARPENTER_DO_NOT_DISRUPT,
  KARPENTER_INITIALIZED,
  KARPENTER_NODEPOOL,
  KEEPS_ROOM,
  REMOVAL_DISABLED,
} from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type { Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import { isBoundToNode, isEvictable, isLive, isReschedulable } from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Covered } from '../model/billing.ts';
import type { ShiftedZone } from '../model/catalogue.ts';
import { isDynamic } from '../model/nodepool.ts';
import { shiftText } from '../model/offers/zonalshift.ts';
import { isOfFargate, OF_FARGATE } from '../model/standingmachine.ts';
import { matchesNodeSelector, meets } from '../scheduling/nodeaffinity.ts';
import { claimedDevicesOn } from '../scheduling/resourceclaims.ts';
import { type Blocker, type BlockerKind, nodeIs } from './blocker.ts';
import { deviceBlocker, type EvictionRules, evictionBlocker, nodePodBlocker } from './evictionblocker.ts';

export type Scope = NonNullable<RebalancePlanClaimSpec['scope']>;
export type NodeConstraints = NonNullable<RebalancePlanClaimSpec['nodeConstraints']>;

/**
 * Why Karpenter doesn't call a node consolidatable, as far as that holds a plan back; the rule is in
 * docs/designs/0037-consolidation-settings.md. Karpenter keeps the condition where its consolidation runs alone
 * (pkg/controllers/nodeclaim/disruption).
 */
const consolidationBlocker = (claim: NodeClaim, pool: NodePool): string | undefined => {
  const after = pool.spec.disruption?.consolidateAfter;
  if (after === 'Never') return undefined;
  const condition = claim.status?.conditions?.find(({ type }) => type === 'Consolidatable');
  if (condition?.status === 'True') return undefined;
  const { name } = pool.metadata;
  if (after !== undefined && /[1-9]/.test(after)) {
    return `Karpenter does not call it consolidatable: its pods changed within consolidateAfter ${after} of NodePool ${name}`;
  }
  return condition
    ? `Karpenter does not call it consolidatable: its condition Consolidatable is ${condition.status}`
    : undefined;
};

/** Why Karpenter would not remove a node for being empty, by its NodePool and the condition that it keeps on the claim. */
export const emptinessBlocker = (claim: NodeClaim, pool: NodePool): string | undefined => {
  if (pool.spec.disruption?.consolidateAfter === 'Never') {
    return `NodePool ${pool.metadata.name} is not consolidated: its consolidateAfter is Never`;
  }
  const condition = claim.status?.conditions?.find(({ type }) => type === 'Consolidatable');
  return condition?.status === 'True'
    ? undefined
    : 'Karpenter does not call it consolidatable: its condition Consolidatable is not True';
};

/** What keeps Karpenter itself from replacing the nodes of a NodePool that run pods; undefined where nothing does. */
export const consolidationHold = ({ spec }: NodePool): string | undefined => {
  const { consolidationPolicy, consolidateAfter } = spec.disruption ?? {};
  if (consolidateAfter === 'Never') return 'consolidateAfter Never';
  return consolidationPolicy === 'WhenEmpty' ? 'consolidationPolicy WhenEmpty' : undefined;
};

/** Why a node without a NodeClaim is in no plan. */
const unmanagedReason = (node: Node): Blocker => {
  const { labels } = node.metadata;
  if (isOfFargate(node)) return nodeIs('fargate', OF_FARGATE);
  if (valueAt(labels, KARPENTER_NODEPOOL) !== undefined)
    return {
      kind: 'unclaimed',
      cause: 'not managed by Karpenter as far as the snapshot shows: their NodeClaims are missing',
      message:
        'it is not managed by Karpenter as far as the snapshot shows: its labels say that it is, and its NodeClaim is missing',
    };
  if (valueAt(labels, OLD_POOL) === undefined) return nodeIs('unmanaged', 'not managed by Karpenter');
  return {
    kind: 'old-karpenter',
    cause: 'of a Karpenter from before 0.32',
    message: 'its Karpenter is too old: it is from before 0.32, and plans need 1.0 or newer',
  };
};

/** Karpenter's label before 0.32, for what NodePools are now. */
const OLD_POOL = 'karpenter.sh/provisioner-name';

/** The first requirement of its NodePool that a node no longer meets; Karpenter replaces such a node as drifted. */
const unmetRequirement = (node: Node, pool: NodePool): string | undefined =>
  pool.spec.template.spec.requirements.find((requirement) => {
    const value = valueAt(node.metadata.labels, requirement.key);
    return value !== undefined && !meets(requirement, value);
  })?.key;

/** A node with its NodeClaim, NodePool and pods, as in Karpenter's cluster state. */
export interface StateNode {
  readonly node: Node;
  readonly claim: NodeClaim | undefined;
  readonly pool: NodePool | undefined;
  readonly pods: readonly Pod[];
  /** USD per hour without commitments; undefined when the catalogue has no price. */
  readonly price: number | undefined;
  /** The same outside of the capacity reservation that its machine is in; undefined for one in none. */
  readonly unreserved?: number | undefined;
  readonly covered?: Covered | undefined;
  /** Set while the node's zone is shifted away. */
  readonly shift?: ShiftedZone | undefined;
}

/** Whether a node is within a plan's scope. */
export const isInScope = (node: Node, scope: Scope | undefined): boolean => {
  if (scope?.nodeNames) return scope.nodeNames.includes(node.metadata.name);
  return (
    scope?.nodeSelector === undefined ||
    matchesNodeSelector(scope.nodeSelector, node.metadata.labels ?? {}, node.metadata.name)
  );
};

/** Why a pod keeps its node from being replaced. */
export const podBlocker = (pod: Pod, rules: EvictionRules): Blocker | undefined => {
  if (isEvictable(pod)) return evictionBlocker(pod, rules);
  return isBoundToNode(pod) && isLive(pod) ? nodePodBlocker(pod, rules) : undefined;
};

/** Why a pod that has to move keeps its node by devices that the node alone can tell to be from a claim. */
const deviceBlockerOn = (node: Node, pod: Pod): Blocker | undefined =>
  isReschedulable(pod) ? deviceBlocker(pod, claimedDevicesOn(node, pod)) : undefined;

/** Blockers whose condition is true. */
const blockersWhere = (...each: readonly (readonly [boolean, Blocker])[]): Blocker[] =>
  each.flatMap(([is, blocker]) => (is ? [blocker] : []));

/**
 * Why a node is in no state to be replaced: what Karpenter does with it, and how it is. They hold until the first
 * machine is ordered for its pods.
 */
export const stateBlockers = ({
  node,
  claim,
  pool,
}: Pick<StateNode, 'node' | 'claim' | 'pool'>): Blocker[] => {
  const blocker = (cause: string, message: string): Blocker => ({ kind: 'node-state', cause, message });
  const poolName = node.metadata.labels?.[KARPENTER_NODEPOOL] ?? '';
  return blockersWhere(
    [!pool, blocker(`NodePool ${poolName} does not exist`, `its NodePool ${poolName} does not exist`)],
    [
      pool !== undefined && !isDynamic(pool),
      blocker(
        `NodePool ${pool?.metadata.name} is static or being deleted`,
        'its NodePool is static or being deleted',
      ),
    ],
    [
      node.metadata.deletionTimestamp !== undefined || claim?.metadata.deletionTimestamp !== undefined,
      nodeIs('node-state', 'being deleted'),
    ],
    [
      node.metadata.labels?.[KARPENTER_INITIALIZED] !== 'true',
      blocker('not initialized by Karpenter', 'Karpenter has not initialized it'),
    ],
    [!isReady(node), nodeIs('node-state', 'not ready')],
    [
      (node.spec?.taints ?? []).some((taint) => taint.key === KARPENTER_DISRUPTED_TAINT),
      blocker('being disrupted by Karpenter', 'Karpenter is disrupting it'),
    ],
  );
};

/** Whether do-not-disrupt is on a node for the room on it alone, which every plan keeps anyway. */
const hasRoomGuard = ({ metadata }: Node): boolean => valueAt(metadata.annotations, KEEPS_ROOM) !== undefined;

/**
 * Why a node must not be emptied: its users' marks, and pods that may not be evicted. They hold until it is gone,
 * whatever a plan has bought.
 */
export const protectionBlockers = (
  { node, claim, pods }: Pick<StateNode, 'node' | 'claim' | 'pods'>,
  rules: EvictionRules,
): Blocker[] => {
  const isHeeded = !rules.mode.ignoreProblemRemovalDisabledNodes;
  return [
    ...blockersWhere(
      [isHeeded && isMarked(node, REMOVAL_DISABLED), nodeIs('marked-node', 'marked removal-disabled')],
      [
        isHeeded &&
          [hasRoomGuard(node) ? undefined : node, claim].some(
            (object) => object !== undefined && isMarked(object, KARPENTER_DO_NOT_DISRUPT),
          ),
        nodeIs('marked-node', 'marked do-not-disrupt'),
      ],
    ),
    ...pods.flatMap((pod) => podBlocker(pod, rules) ?? deviceBlockerOn(node, pod) ?? []),
  ];
};

/** Why a plan may not replace a node that it could empty: budgets, price, Karpenter's own judgement, age. */
const choiceBlockers = (
  { node, claim, pool, price, shift }: StateNode & { readonly claim: NodeClaim },
  o: Pick<EvictionRules, 'mode' | 'now'> & {
    readonly constraints: NodeConstraints;
    readonly allowedDisruptions: (pool: NodePool) => number;
    readonly mustGo?: boolean;
    readonly leavesShiftedZone?: boolean;
  },
): Blocker[] => {
  const isChosen = !o.mustGo;
  const unquiet =
    pool && isChosen && !o.mode.ignoreConsolidatable ? consolidationBlocker(claim, pool) : undefined;
  const unmet = pool && isChosen && !o.mode.ignoreInstanceCriteria ? unmetRequirement(node, pool) : undefined;
  const age = (o.now - Date.parse(node.metadata.creationTimestamp ?? '')) / 1000;
  const minAge = o.constraints.minAgeSeconds ?? 0;
  const poolName = pool?.metadata.name;
  const blocker = (kind: BlockerKind, cause: string, message = cause): Blocker => ({ kind, cause, message });
  return blockersWhere(
    [
      pool !== undefined && !o.mode.ignoreZeroNodePoolDisruptionBudgets && o.allowedDisruptions(pool) < 1,
      blocker('nodepool-budget', `the disruption budgets of NodePool ${poolName} allow no disruption now`),
    ],
    [
      price === undefined,
      blocker('no-price', 'without a price in the catalogue', 'the catalogue has no price for it'),
    ],
    [
      unquiet !== undefined,
      blocker('consolidation', `not consolidatable to Karpenter, by NodePool ${poolName}`, unquiet),
    ],
    [
      unmet !== undefined,
      blocker(
        'drift',
        `drifted: they do not meet the requirement on ${unmet} of NodePool ${poolName} any more`,
        `it does not meet the requirement on ${unmet} of NodePool ${poolName} any more, and is left to Karpenter's drift`,
      ),
    ],
    [minAge > 0 && !(age >= minAge), nodeIs('age', `younger than ${minAge} s`)],
    ...(shift && !o.leavesShiftedZone
      ? [[true, blocker('zonal-shift', shiftText(shift), `its ${shiftText(shift)}`)] as const]
      : []),
  );
};

/** The reasons why a plan may not replace a node; empty when it may. */
export const disruptionBlockers = (
  state: StateNode,
  o: EvictionRules & {
    readonly constraints: NodeConstraints;
    readonly allowedDisruptions: (pool: NodePool) => number;
    /** Whether the node goes for another reason than savings: what only holds consolidation back does not keep it. */
    readonly mustGo?: boolean;
    /** Whether the node goes though its zone is shifted away, since it would end by itself. */
    readonly leavesShiftedZone?: boolean;
  },
): Blocker[] => {
  const { node, claim } = state;
  if (!claim) return [unmanagedReason(node)];
  return [
    ...stateBlockers(state),
    ...choiceBlockers({ ...state, claim }, o),
    ...protectionBlockers(state, o),
  ];
};
