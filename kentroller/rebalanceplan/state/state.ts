import type { RebalanceMigrationPlan } from '../../../api/kinds/rebalancemigrationplan.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOffering } from '../../../api/kinds/unavailableoffering.ts';
import type { Node, NodeClaim, NodePool, Pod } from '../../../api/objects.ts';
import type { NodeCount } from '../../../planner/cluster/disruptionbudget.ts';
import type { SurgeView } from '../drain/surge.ts';
import type { WebhookView } from './webhookprobe.ts';

/** What the pinner has said about the intents of one plan. */
export interface PinsView {
  /** A pinner is on the stream. */
  readonly connected: boolean;
  /** Milliseconds since the last pinner left the stream, or since this leader began; 0 while one is there. */
  readonly goneForMs: number;
  /** It has answered for every intent of the plan. */
  readonly acknowledged: boolean;
}

/** How far and how long an execution may go; times in milliseconds. */
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
  /** How long a plan whose nodes are gone waits for its pods to run. */
  readonly settleTimeoutMs: number;
  /** From its creation: a plan that has not started by then never will. 0: it may wait for ever. */
  readonly planExpiryMs: number;
  readonly maxSimultaneousDrains: number;
  /** No plan starts while more than this share of the nodes, and more than `haltNodes`, are unready. */
  readonly haltPercent: number;
  readonly haltNodes: number;
}

/** Whether pods may be migrated live, and how long their provider may take; times in milliseconds. */
export interface MigrationSettings {
  /** auto: where the label of a provider is on source and destination node; always: everywhere. */
  readonly mode: 'auto' | 'always' | 'never';
  /** From the RebalanceMigrationPlan to the first sign of a provider. */
  readonly answerTimeoutMs: number;
  readonly timeoutMs: number;
}

/** Everything that one decision about one plan is made from; nodes and pods by the name of their NodeClaim. */
export interface World {
  readonly plan: RebalancePlan;
  /** Claims that the plan names or made. A claim that is missing here is gone. */
  readonly nodeClaims: ReadonlyMap<string, NodeClaim>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly pods: ReadonlyMap<string, readonly Pod[]>;
  /** Pods that the plan moves off nodes that stay, as long as they are there. */
  readonly strays: readonly Pod[];
  /** Pods of the plan's owners that are on no node. */
  readonly waiting: readonly Pod[];
  readonly nodePools: ReadonlyMap<string, NodePool>;
  /** By NodePool. */
  readonly poolNodes: ReadonlyMap<string, NodeCount>;
  /** What Karpenter said about claims that are gone. */
  readonly losses: ReadonlyMap<string, string>;
  readonly unavailable: readonly UnavailableOffering[];
  /** NodeClaims that other running plans use. */
  readonly busy: ReadonlySet<string>;
  /** False while no plan may start; those that run go on. */
  readonly enabled: boolean;
  readonly clusterNodes: { readonly total: number; readonly unready: number };
  readonly pins: PinsView;
  /** Undefined where it does not matter just now. */
  readonly webhook: WebhookView | undefined;
  /** With the RebalanceMigrationPlans that this plan made, by name. One that is missing here is gone. */
  readonly migration: MigrationSettings & { readonly plans: ReadonlyMap<string, RebalanceMigrationPlan> };
  readonly surge: SurgeView;
  /** Pods, by uid, that a budget protects until this time. */
  readonly heldUntil: ReadonlyMap<string, number>;
  /** USD per hour of an offering; undefined where the cloud has told no price. */
  readonly priceOf: (instanceType: string, zone: string, capacityType: string) => number | undefined;
  /** USD per hour of all nodes of the cluster; undefined where the price of one is not known. */
  readonly clusterHourly: number | undefined;
  readonly now: number;
  readonly limits: ExecutionLimits;
}
