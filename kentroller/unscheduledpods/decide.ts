import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { HorizontalPodAutoscaler, Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { clusterCoresOf } from '../../planner/cluster/clustercores.ts';
import type { ClusterCores } from '../../planner/cluster/nodepoollimits.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { orderedClaim } from '../../planner/plan/afterplan.ts';
import { MADE_BY } from '../continuous/decide.ts';
import type { Policies } from '../policies/settings.ts';
import { coveredByPlans, isOpen, mayNeedNode } from './pods.ts';
import { type DueReplicas, dueOf, dueReplicas, podsAndReplicas } from './replicas.ts';
import { type Standing, standingOf } from './scope.ts';

/**
 * One evaluation of the policies over one snapshot, in their order: cluster CPU limits, HorizontalPodAutoscalers, unscheduled
 * pods, node deletion. Each sees what those before it decided.
 */

/** Value of MADE_BY on plans that buy for pods without a node. */
export const UNSCHEDULED_PODS = 'unscheduled-pods';

/** Milliseconds for which Karpenter may still buy for pods that it saw before they were nominated. */
export const SETTLE_MS = 5_000;
const FIRST_BACKOFF_MS = 10_000;
const LONGEST_BACKOFF_MS = 5 * 60_000;
/** Milliseconds after which pods are looked at again that could not be nominated, and those that a halt left to Karpenter. */
const RETRY_MS = 5_000;
const HALTED_MS = 30_000;
const MILLI = 1_000;

/** What is remembered of a pod that waits, in milliseconds since 1970. */
export interface Watched {
  readonly seenAt: number;
  /** When its nomination was written; undefined while Karpenter may buy for it. */
  readonly heldAt?: number;
  /** Whether Karpenter may have begun to buy for it before that. */
  readonly isLate: boolean;
  /** Until when the pod is left alone, and whether it stays nominated meanwhile. */
  readonly left?: { readonly until: number; readonly isHeld: boolean };
}

/** Milliseconds: how long no pod may have come, and how long the first one waits at most. */
export interface Window {
  readonly idleMs: number;
  readonly maxMs: number;
}

export interface EvaluationState {
  readonly policies: Policies;
  readonly snapshot: Snapshot;
  /** Pods without a node. */
  readonly pending: readonly Pod[];
  readonly podAt: (name: string) => Pod | undefined;
  readonly catalogue: Catalogue;
  readonly autoscalers: readonly HorizontalPodAutoscaler[];
  /** Plans, with those that were stored a moment ago. */
  readonly plans: readonly RebalancePlan[];
  /** Pods that are known to wait, by uid. */
  readonly watched: ReadonlyMap<string, Watched>;
  readonly window: Window;
  readonly schedulers?: readonly string[];
  /** Whether a pod is one that is bought for; with follow mode on, most are Karpenter's. */
  readonly isOurs: (pod: Pod) => boolean;
  /** Why no plan would start. */
  readonly haltedBy?: string | undefined;
  readonly now: number;
}

export interface LimitsDecision {
  /** Undefined without a limit. */
  readonly cores: ClusterCores | undefined;
  /** Why nothing at all may be bought. */
  readonly full?: string;
}

export type PodsDecision =
  | { readonly kind: 'off' }
  | { readonly kind: 'idle' | 'held'; readonly message: string }
  /** `left`: to others, until then. */
  | { readonly kind: 'wait' | 'left'; readonly message: string; readonly until: number }
  | {
      readonly kind: 'buy';
      readonly pods: readonly Pod[];
      /** Counted beside the pods before nodes are sized. */
      readonly replicas: readonly DueReplicas[];
      readonly message: string;
    };

export interface NodesDecision {
  /** Why no node is deleted now; undefined when empty ones may go. */
  readonly keeps?: string;
  /** Millicores that may go before the cluster is at minCores. */
  readonly spare: number;
}

export interface Evaluation {
  readonly limits: LimitsDecision;
  readonly replicas: readonly DueReplicas[];
  /** Pods that may need a node and are covered by no plan. */
  readonly waiting: readonly Pod[];
  /** Pods that scoped mode leaves alone since they lack its toleration. */
  readonly misconfigured: readonly Pod[];
  readonly pods: PodsDecision;
  readonly nodes: NodesDecision;
}

const uidOf = ({ metadata }: Pod): string => metadata.uid ?? '';
export const isOfUnscheduledPods = ({ metadata }: RebalancePlan): boolean =>
  metadata.labels?.[MADE_BY] === UNSCHEDULED_PODS;
const endOf = ({ status }: RebalancePlan): number => Date.parse(status?.completionTime ?? '') || 0;

/**
 * Until when nothing is bought after plans that did not end as Done, one after the other; the first is followed at once. A machine
 * that never takes its pod ends a plan with warnings, and buying another one at once would never end.
 */
export const backoffUntil = (plans: readonly RebalancePlan[]): number => {
  const newestFirst = plans
    .filter((p) => isOfUnscheduledPods(p) && isFinished(p))
    .toSorted((a, b) => endOf(b) - endOf(a));
  const successAt = newestFirst.findIndex(({ status }) => status?.state === 'Done');
  const failures = successAt < 0 ? newestFirst.length : successAt;
  const [latest] = newestFirst;
  if (!latest || failures < 2) return 0;
  return endOf(latest) + Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 2), LONGEST_BACKOFF_MS);
};

/** The snapshot with the machines that open plans are about to order. */
export const withPlannedOrders = (snapshot: Snapshot, plans: readonly RebalancePlan[]): Snapshot => {
  const planned = plans.filter(isOpen).flatMap(({ spec, status }) =>
    (spec.nodeClaimsToAdd ?? []).filter(({ metadata }) => {
      const attempts = valueAt(status?.nodesCreation, metadata.name)?.attempts ?? [];
      return attempts.length === 0;
    }),
  );
  return planned.length === 0
    ? snapshot
    : { ...snapshot, nodeClaims: [...snapshot.nodeClaims, ...planned.map(orderedClaim)] };
};

/** 1. Cluster CPU limits. */
const decideLimits = ({ policies, snapshot, catalogue, plans }: EvaluationState): LimitsDecision => {
  const { clusterLimits } = policies;
  const cores = clusterCoresOf(clusterLimits?.maxCores, withPlannedOrders(snapshot, plans), catalogue);
  if (!cores || cores.used < cores.max) return { cores };
  const full = `the cluster has ${cores.used / MILLI} cores, and may have ${cores.max / MILLI} (clusterLimits.cpu.maxCores)`;
  return { cores, full };
};

/** 2. HorizontalPodAutoscalers: replicas that are about to be pods. */
const decideReplicas = ({ policies, autoscalers, snapshot }: EvaluationState): readonly DueReplicas[] =>
  policies.horizontalPodAutoscaler ? dueReplicas(autoscalers, snapshot) : [];

/** Why pods are not bought for yet, and until when at the latest; undefined when the window is over. */
const windowReason = (
  { watched, window, now }: EvaluationState,
  pods: readonly Pod[],
  replicas: readonly DueReplicas[],
): { readonly message: string; readonly until: number } | undefined => {
  const known = pods.flatMap((pod) => watched.get(uidOf(pod)) ?? []);
  const unheld = pods.length - known.filter(({ heldAt }) => heldAt !== undefined).length;
  if (unheld > 0) return { message: `${unheld} pods are not nominated yet`, until: now + MILLI };
  const settled = Math.max(...known.map(({ heldAt = now, isLate }) => (isLate ? heldAt + SETTLE_MS : 0)));
  if (settled > now) {
    return { message: 'Karpenter may have begun to buy for pods before they were nominated', until: settled };
  }
  const last = Math.min(...known.map(({ seenAt }) => seenAt)) + window.maxMs;
  if (now >= last) return undefined;
  // Those with a template are counted; of others only the pods tell what they need.
  const untold = replicas.filter(({ hasTemplate }) => !hasTemplate);
  const [first] = untold;
  if (first) {
    const message = `${dueOf(untold)} replicas of ${first.target} and others are about to come`;
    return { message, until: last };
  }
  const idle = Math.max(...known.map(({ seenAt }) => seenAt)) + window.idleMs;
  return idle > now ? { message: 'more pods may come', until: Math.min(idle, last) } : undefined;
};

/** Whether a pod could not be nominated for as long as a window lasts. */
const isRefused = ({ watched, window, now }: EvaluationState, pod: Pod): boolean => {
  const known = watched.get(uidOf(pod));
  return known !== undefined && known.heldAt === undefined && now - known.seenAt > window.maxMs + MILLI;
};

/** 3. Pods without a node. */
const decidePods = (
  state: EvaluationState,
  waiting: readonly Pod[],
  limits: LimitsDecision,
  replicas: readonly DueReplicas[],
): PodsDecision => {
  const { policies, plans, watched, now } = state;
  const settings = policies.unschedulablePods;
  if (!settings) return { kind: 'off' };
  const due = waiting.filter((pod) => (watched.get(uidOf(pod))?.left?.until ?? 0) <= now);
  if (due.length === 0) return { kind: 'idle', message: 'no pod waits for a node that might help it' };
  if (limits.full) return { kind: 'held', message: limits.full };
  if (state.haltedBy !== undefined) return { kind: 'left', message: state.haltedBy, until: now + HALTED_MS };
  const backoff = backoffUntil(plans);
  if (backoff > now) {
    return { kind: 'left', message: 'the last plans failed, and the next one waits', until: backoff };
  }
  const running =
    settings.mode === 'single' ? plans.find((plan) => isOfUnscheduledPods(plan) && isOpen(plan)) : undefined;
  if (running) {
    return {
      kind: 'held',
      message: `one node is added at a time, and plan ${running.metadata.name} is under way`,
    };
  }
  // A pod that can't be nominated is Karpenter's, and holds up no other.
  const pods = due.filter((pod) => !isRefused(state, pod));
  if (pods.length === 0) {
    return {
      kind: 'wait',
      message: `${due.length} pods can't be nominated: Karpenter buys for them`,
      until: now + RETRY_MS,
    };
  }
  const wait = windowReason(state, pods, replicas);
  if (wait) return { kind: 'wait', ...wait };
  const counted = replicas.filter(({ hasTemplate }) => hasTemplate);
  return {
    kind: 'buy',
    pods,
    replicas: counted,
    message: `buying for ${podsAndReplicas(pods.length, dueOf(counted))}`,
  };
};

/** 4. Node deletion: what comes needs room that is there already. */
const decideNodes = (
  { policies }: EvaluationState,
  used: number,
  replicas: readonly DueReplicas[],
  pods: PodsDecision,
): NodesDecision => {
  const least = (policies.clusterLimits?.minCores ?? 0) * MILLI;
  const spare = least === 0 ? Number.POSITIVE_INFINITY : Math.max(0, used - least);
  const [first] = replicas;
  if (first) return { spare, keeps: `replicas of ${first.target} are about to come` };
  if (pods.kind === 'wait' || pods.kind === 'buy') return { spare, keeps: 'pods wait for a node' };
  if (spare === 0) return { spare, keeps: `the cluster is at minCores ${least / MILLI}` };
  return { spare };
};

/** Pods that may need a node: those that a plan has one for, those that wait, and those that scoped mode leaves alone. */
export const podsWithoutNode = ({
  policies,
  plans,
  schedulers,
  isOurs,
  pending,
  podAt,
}: Pick<EvaluationState, 'policies' | 'plans' | 'schedulers' | 'isOurs' | 'pending' | 'podAt'>): {
  readonly waiting: readonly Pod[];
  readonly covered: readonly Pod[];
  readonly misconfigured: readonly Pod[];
} => {
  const candidates = policies.unschedulablePods
    ? pending.filter((pod) => mayNeedNode(pod, schedulers) && isOurs(pod))
    : [];
  if (candidates.length === 0) return { waiting: [], covered: [], misconfigured: [] };
  const isCovered = coveredByPlans(plans, podAt);
  const standing = policies.scopedMode ? standingOf : (): Standing => 'in';
  const groups = Object.groupBy(candidates, (pod) => (isCovered(pod) ? 'covered' : standing(pod)));
  return {
    waiting: groups.in ?? [],
    covered: groups.covered ?? [],
    misconfigured: groups.misconfigured ?? [],
  };
};

/** Evaluates the policies in their order. */
export const decide = (state: EvaluationState): Evaluation => {
  const { snapshot, catalogue } = state;
  const limits = decideLimits(state);
  const replicas = decideReplicas(state);
  const { waiting, misconfigured } = podsWithoutNode(state);
  const pods = decidePods(state, waiting, limits, replicas);
  const used = limits.cores?.used ?? clusterCoresOf(0, snapshot, catalogue)?.used ?? 0;
  return { limits, replicas, waiting, misconfigured, pods, nodes: decideNodes(state, used, replicas, pods) };
};
