import { parseOwnerMark } from '../../api/identity/ownermark.ts';
import { IN_USE_BY, MANAGED_BY, MANAGED_BY_US, PLAN, REMOVAL_TAINT } from '../../api/labels.ts';
import type { Node, NodeClaim, NodePool, Pod, Taint } from '../../api/objects.ts';
import { isDrainable, isTerminating, podName } from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { protectionBlockers, stateBlockers } from '../../planner/cluster/candidate.ts';
import type { EvictionRules } from '../../planner/cluster/evictionblocker.ts';
import { isMarked } from '../policies/limits.ts';
import { type Path, pathOf } from './path.ts';

/** What the autoscaling policies say of one node. */
export interface PolicyFacts {
  /** Why nobody knows the policies; they may keep the node. */
  readonly unknown?: string;
  /** Milliseconds for which an empty node is kept; undefined while the policy of empty nodes is off. */
  readonly emptyForMs?: number;
  /** Since when the node has been seen to be empty; undefined where it is not. */
  readonly emptySince?: number;
  /** Whether only nodes that we bought are deleted. */
  readonly isScoped: boolean;
  /** Why the cluster would have too few cores without the node. */
  readonly limit: () => string | undefined;
}

/** What a node's fate is decided from: read from the caches to begin with, and from the API server at the act. */
export interface NodeFacts {
  readonly node: Node;
  readonly claim: NodeClaim;
  readonly pool: NodePool | undefined;
  /** Pods that are bound to the node. */
  readonly pods: readonly Pod[];
  /** Pods without a node that this one is promised to. */
  readonly promised: () => readonly Pod[];
  /** PersistentVolumeClaims whose volumes are being made for this node, as 'namespace/name'. */
  readonly volumes: () => readonly string[];
  /** True while a running plan names the node. */
  readonly isPlanned: boolean;
  /** Number of nodes that the disruption budgets of the NodePool let go now for being empty. */
  readonly allowed: () => number;
  /** Why the room of the node is needed, for pods that wait; asked last, since it takes long to tell. */
  readonly neededFor: () => string | undefined;
  readonly rules: EvictionRules;
  readonly isEnabled: boolean;
  readonly policies: PolicyFacts;
  readonly now: number;
  /** Milliseconds from the taint to the last look: bindings that were under way have arrived by then. */
  readonly settleMs: number;
}

/** Why a node stays; with `retryMs` where no change of an object says that it is over. */
interface Hold {
  readonly reason: string;
  readonly message: string;
  readonly retryMs?: number;
}

export type Decision =
  /** Nothing makes the node go, and nothing of ours is on it. */
  | { readonly kind: 'none' }
  | ({ readonly kind: 'leave'; readonly path: Path } & Hold)
  /** Takes off what we put on a node that stays. */
  | ({ readonly kind: 'reopen'; readonly path?: Path } & Hold)
  | { readonly kind: 'mark'; readonly path: Path }
  | { readonly kind: 'close'; readonly path: Path }
  | { readonly kind: 'settle'; readonly path: Path; readonly afterMs: number }
  | { readonly kind: 'delete'; readonly path: Path };

/** Delays until disruption budgets, and the room that waiting pods need, are looked at again. */
const BUDGET_RETRY_MS = 15_000;
const ROOM_RETRY_MS = 30_000;
/** Longest delay of one look at a node that is kept empty. */
const MAX_RETRY_MS = 3_600_000;

/**
 * Karpenter notes on a claim that a pod came or went, but not within 10 s of the last time (pkg/controllers/nodeclaim/podevents);
 * with two more for whole seconds and clocks that differ.
 */
const SILENT_MS = 12_000;

/** Whether a plan of ours bought the machine, or its NodePool says that its machines are an autoscaler's. */
const isBoughtByUs = ({ metadata: { labels } }: NodeClaim): boolean =>
  valueAt(labels, PLAN) !== undefined || valueAt(labels, MANAGED_BY) === MANAGED_BY_US;

export const removalTaintOf = ({ spec }: Node): Taint | undefined =>
  spec?.taints?.find(({ key }) => key === REMOVAL_TAINT);

const planHold = ({ claim, isPlanned }: NodeFacts): Hold | undefined => {
  const user = isMarked(claim) ? undefined : parseOwnerMark(valueAt(claim.metadata.annotations, IN_USE_BY));
  if (!user && !isPlanned) return undefined;
  const who = user ? `RebalancePlan ${user.name}` : 'a running plan';
  return { reason: 'NodeInUse', message: `it is in use by ${who}` };
};

/** A user's mark on the node, or a pod of a DaemonSet that must not be disturbed. */
const protectionHold = (facts: NodeFacts, pods: readonly Pod[]): Hold | undefined => {
  const [blocker] = protectionBlockers({ node: facts.node, claim: facts.claim, pods }, facts.rules);
  if (!blocker) return undefined;
  return { reason: 'NodeProtected', message: blocker.message, retryMs: BUDGET_RETRY_MS };
};

/** Pods that run, end, or are on their way to the node. */
const podHold = ({ pods, promised, volumes }: NodeFacts): Hold | undefined => {
  const pod = pods.find(isDrainable);
  if (pod) {
    const what = isTerminating(pod) ? 'is still ending on it' : 'runs on it';
    return { reason: 'NodeNotEmpty', message: `pod ${podName(pod)} ${what}` };
  }
  const [coming] = promised();
  if (coming) return { reason: 'NodeNominated', message: `pod ${podName(coming)} is on its way to it` };
  const [volume] = volumes();
  if (volume === undefined) return undefined;
  return {
    reason: 'VolumeBinding',
    message: `the volume of PersistentVolumeClaim ${volume} is being made for it`,
  };
};

/** What the policies keep a node for that nothing else does. */
const policyHold = ({ claim, policies, now }: NodeFacts, path: Path): Hold | undefined => {
  const { unknown, emptyForMs, emptySince = now, isScoped, limit } = policies;
  if (unknown !== undefined) return { reason: 'PoliciesUnknown', message: unknown, retryMs: BUDGET_RETRY_MS };
  if (isScoped && !isBoughtByUs(claim))
    return { reason: 'OutOfScope', message: 'the autoscaler is in scoped mode, and did not buy it' };
  const leftMs = path === 'empty' && emptyForMs !== undefined ? emptySince + emptyForMs - now : 0;
  if (leftMs > 0) {
    const seconds = Math.ceil(emptyForMs ?? 0) / 1_000;
    return {
      reason: 'KeptEmpty',
      message: `empty nodes are kept for ${seconds} s`,
      retryMs: Math.min(leftMs, MAX_RETRY_MS),
    };
  }
  const message = limit();
  return message === undefined ? undefined : { reason: 'ClusterLimit', message, retryMs: BUDGET_RETRY_MS };
};

const emptyHold = (facts: NodeFacts): Hold | undefined => {
  const [state] = stateBlockers(facts);
  if (state) return { reason: 'NodeNotReady', message: state.message };
  if (facts.allowed() < 1) {
    const message = `the disruption budgets of NodePool ${facts.pool?.metadata.name} let no empty node go now`;
    return { reason: 'DisruptionBudget', message, retryMs: BUDGET_RETRY_MS };
  }
  const needed = facts.neededFor();
  return needed === undefined ? undefined : { reason: 'RoomNeeded', message: needed, retryMs: ROOM_RETRY_MS };
};

/**
 * What keeps a node from going by its path. Expiry ends a node with its pods, as Karpenter's does; the other two want it
 * empty, and only for being empty do budgets and the room for waiting pods count.
 */
const holdOf = (facts: NodeFacts, path: Path): Hold | undefined => {
  if (path === 'expired') return planHold(facts) ?? protectionHold(facts, []);
  return (
    planHold(facts) ??
    podHold(facts) ??
    protectionHold(facts, facts.pods) ??
    policyHold(facts, path) ??
    (path === 'empty' ? emptyHold(facts) : undefined)
  );
};

/** Milliseconds until Karpenter would write to the claim again when a pod came; until then a deletion can't tell by its version. */
const silenceLeft = ({ status }: NodeClaim, now: number): number => {
  const last = Date.parse(status?.lastPodEventTime ?? '');
  return Number.isNaN(last) ? 0 : last + SILENT_MS - now;
};

const nextStep = ({ node, claim, now, settleMs }: NodeFacts, path: Path): Decision => {
  if (!isMarked(claim)) return { kind: 'mark', path };
  if (path === 'expired') return { kind: 'delete', path };
  const age = now - Date.parse(removalTaintOf(node)?.timeAdded ?? '');
  // Without a time, or with one that lies ahead, the taint is put on anew.
  if (!(age >= -settleMs)) return { kind: 'close', path };
  const left = Math.min(Math.max(settleMs - age, silenceLeft(claim, now)), Math.max(settleMs, SILENT_MS));
  return left > 0 ? { kind: 'settle', path, afterMs: left } : { kind: 'delete', path };
};

/** The next step for a node. */
export const decide = (facts: NodeFacts): Decision => {
  const { node, claim, pool, now, isEnabled, policies } = facts;
  if (claim.metadata.deletionTimestamp || node.metadata.deletionTimestamp) return { kind: 'none' };
  const isOurs = isMarked(claim) || removalTaintOf(node) !== undefined;
  const hasPolicy = policies.emptyForMs !== undefined;
  const path = pathOf(node, claim, pool, { isEnabled, hasPolicy, now });
  if (path === undefined) {
    const message = isEnabled || hasPolicy ? 'nothing makes it go any more' : 'node consolidation is off';
    return isOurs ? { kind: 'reopen', reason: 'NodeKept', message } : { kind: 'none' };
  }
  const hold = holdOf(facts, path);
  if (hold) return { kind: isOurs ? 'reopen' : 'leave', path, ...hold };
  return nextStep(facts, path);
};
