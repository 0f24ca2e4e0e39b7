import type { RebalanceMigrationPlan } from '../../../api/kinds/rebalancemigrationplan.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOffering } from '../../../api/kinds/unavailableoffering.ts';
import type { DaemonSet, Node, NodeClaim, NodePool, Pod } from '../../../api/objects.ts';
import type { NodeCount } from '../../../planner/cluster/disruptionbudget.ts';
import type { ClusterCores, PoolUsage } from '../../../planner/cluster/nodepoollimits.ts';
import type { ShiftedZone } from '../../../planner/model/catalogue.ts';
import type { ZoneIds } from '../../../planner/model/offers/zoneids.ts';
import type { Offerings } from '../../cloud/offerings.ts';
import type { PlanRules } from './evictionrules.ts';
import type { SurgeState } from './surgerecord.ts';

/** The pinner's answers to the intents of one plan. */
export interface PinsView {
  /** Whether a pinner is connected to the stream. */
  readonly connected: boolean;
  /** Milliseconds since the last pinner left the stream, or since this leader started; 0 while one is connected. */
  readonly goneForMs: number;
  /** Whether all intents of the plan are published, slots included, and it has acknowledged each. */
  readonly acknowledged: boolean;
  /** Nodes that the pinner sends no more pods to, since their kubelets refuse them. */
  readonly closedNodes?: readonly { readonly node: string; readonly reason: string }[];
  /** True where an admission policy steers the plan's pods, and the executor is its own pinner. */
  readonly isSoft?: boolean;
}

/** Why a plan may not make the cluster smaller now; while the limits are not known it waits and does not fail. */
export interface ClusterLimit {
  readonly isKnown: boolean;
  readonly message: string;
}

/** Whether the webhook pins pods of a plan as they are created, or the admission policy steers them. */
export interface WebhookView {
  readonly isLive: boolean;
  /** Why it is not live; empty when it is. */
  readonly reason: string;
}

/** Time limits and other limits of an execution; times in milliseconds. */
export interface ExecutionLimits {
  /** From the creation of a NodeClaim to its initialized Node. */
  readonly joinDeadlineMs: number;
  /** For one node, from cordon to empty. */
  readonly drainTimeoutMs: number;
  readonly executionTimeoutMs: number;
  /** How long the deletion waits for the pinner's acknowledgement. */
  readonly pinTimeoutMs: number;
  /** How long a pod of the plan may wait for its pin before the new nodes are opened to kube-scheduler. */
  readonly pinHoldMs: number;
  /** How long a plan whose nodes are removed waits for its pods to run. */
  readonly settleTimeoutMs: number;
  /** From the plan's creation to its start, after which it expires; 0 for no limit. */
  readonly planExpiryMs: number;
  readonly maxSimultaneousDrains: number;
  /** NodeClaims of all plans that Karpenter has not launched yet: while there is one, it does nothing else. */
  readonly maxUnlaunchedNodeClaims: number;
  /** No plan starts while more than this share of the nodes, and more than `haltNodes`, are unready. */
  readonly haltPercent: number;
  readonly haltNodes: number;
}

/** Settings of live migration; times in milliseconds. */
export interface MigrationSettings {
  /** auto: where source and destination node carry the label of a provider; always: everywhere. */
  readonly mode: 'auto' | 'always' | 'never';
  /** From the RebalanceMigrationPlan to the provider's first status. */
  readonly answerTimeoutMs: number;
  readonly timeoutMs: number;
}

/** All facts that the next steps of a plan are decided from; nodes and pods by their NodeClaim, or by destination. */
export interface ExecutionState {
  readonly plan: RebalancePlan;
  /** Hash of the plan's spec as it is now. */
  readonly specHash: string;
  /** NodeClaims that the plan names or created; one that is missing does not exist, if it is not unknown. */
  readonly nodeClaims: ReadonlyMap<string, NodeClaim>;
  /** Names of NodeClaims that may exist and can't be read: the API server does not serve their kind. */
  readonly unknownClaims: ReadonlySet<string>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly pods: ReadonlyMap<string, readonly Pod[]>;
  /** Pods that the plan moves off kept nodes, while they are on those. */
  readonly podsOnKeptNodes: readonly Pod[];
  /** Pods that the plan buys nodes for and that have no node yet. */
  readonly pendingPods: readonly Pod[];
  /** Pods of the plan's owners that have no node. */
  readonly unscheduledPods: readonly Pod[];
  readonly daemonSets: readonly DaemonSet[];
  /** Pods of all DaemonSets that have no node. */
  readonly pendingDaemonPods: readonly Pod[];
  readonly nodePools: ReadonlyMap<string, NodePool>;
  /** Nodes of each NodePool, and how many of them are disrupted. */
  readonly poolNodes: ReadonlyMap<string, NodeCount>;
  /** Karpenter's reason for each NodeClaim that it deleted: reason and message of its event. */
  readonly claimFailures: ReadonlyMap<string, string>;
  readonly unavailable: readonly UnavailableOffering[];
  readonly zoneIds: ZoneIds;
  /** Zones that nothing is ordered in and no pod is moved into. */
  readonly shiftedZones: readonly ShiftedZone[];
  /** NodeClaims that other running plans use, and nodes that Karpenter does not own which they fill, as destinations. */
  readonly placesOfOthers: ReadonlySet<string>;
  /** False while no plan may start; running plans go on. */
  readonly isEnabled: boolean;
  /** Why the cluster would be too small without the plan's nodes; added nodes count until they are ordered, and when they stand. */
  readonly belowLimit: ClusterLimit | undefined;
  readonly clusterNodes: { readonly total: number; readonly unready: number };
  readonly pins: PinsView;
  /** Undefined while the next step does not depend on it. */
  readonly webhook: WebhookView | undefined;
  /** RebalanceMigrationPlans of this plan, by name; one that is missing does not exist. */
  readonly migration: MigrationSettings & { readonly plans: ReadonlyMap<string, RebalanceMigrationPlan> };
  readonly surge: SurgeState;
  /** What decides whether a pod may be evicted, with the plan's own aggressive mode. */
  readonly rules: PlanRules;
  /** When the eviction of a pod, by its UID, may be tried again after a PodDisruptionBudget refused it. */
  readonly evictionRetryAt: ReadonlyMap<string, number>;
  /** What the cloud sells now; undefined until that was read for the first time. */
  readonly offerings: Offerings | undefined;
  /** What NodePools with limits have now, machines that were just ordered included. */
  readonly poolUsage: PoolUsage;
  /** What the cluster has, orders of a moment ago included, and may have; undefined without clusterLimits. */
  readonly clusterCores: ClusterCores | undefined;
  /** Machines that are to be launched into reservations and that the cloud has not counted there, by id. */
  readonly reservedUnderWay: ReadonlyMap<string, number>;
  /** False while nobody has ever known the cluster's limits. */
  readonly knowsLimits: boolean;
  /** NodeClaims of all plans without a machine, those that were just ordered included. */
  readonly unlaunched: number;
  /** USD per hour of all nodes of the cluster; undefined when the price of one is unknown. */
  readonly clusterHourly: number | undefined;
  readonly now: number;
  readonly limits: ExecutionLimits;
}
