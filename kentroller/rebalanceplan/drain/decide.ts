import type { Pod } from '../../../api/objects.ts';
import { deletedClaims } from '../../../api/plans.ts';
import { podName } from '../../../api/pods.ts';
import type { ExecutionState } from '../state/state.ts';
import { deletionEventsOf, hasWarned, isKept } from '../state/status.ts';
import { type Decision, LOOK_AGAIN_MS, type Step, steps } from '../state/step.ts';
import { WHAT_TO_DO } from './blockers.ts';
import { budgetsOf, poolOf } from './budgets.ts';
import { closingSteps } from './closing.ts';
import { moveBlockers } from './destinations.ts';
import { type DrainResult, drain, evictSteps } from './node.ts';
import { pendingPodsOnKeptNodes } from './podsonkeptnodes.ts';
import { reattachSteps } from './surge.ts';

const SOON_MS = 250;

/** Drains the plan's nodes, no more at once than maxSimultaneousDrains and each NodePool's budget allow. */
const drainNodes = (
  state: ExecutionState,
  claims: readonly string[],
  mayBeginAny: boolean,
): readonly DrainResult[] => {
  const hasBegun = (claim: string): boolean =>
    deletionEventsOf(state.plan, claim).length > 0 &&
    state.nodeClaims.has(claim) &&
    !isKept(state.plan, claim);
  let room = mayBeginAny ? state.limits.maxSimultaneousDrains - claims.filter(hasBegun).length : 0;
  const budgets = budgetsOf(state);
  return claims.map((claim) => {
    const pool = poolOf(state, claim);
    const budget = budgets.get(pool) ?? Number.POSITIVE_INFINITY;
    const result = drain(state, claim, hasBegun(claim) || (room > 0 && budget > 0));
    if (!hasBegun(claim) && result.isDraining) {
      room -= 1;
      budgets.set(pool, budget - 1);
    }
    return result;
  });
};

/** Says once of each pod on a kept node that it stays, and why. */
const stayingSteps = (
  { plan }: Pick<ExecutionState, 'plan'>,
  blocked: ReadonlyMap<Pod, string>,
): readonly Step[] =>
  [...blocked].flatMap(([pod, reason]): Step[] => {
    const message = `Pod ${podName(pod)} stays on node ${pod.spec.nodeName}: ${reason}. ${WHAT_TO_DO}.`;
    const isTold = hasWarned(plan, message);
    return isTold ? [] : [{ kind: 'warn', reason: 'PodKept', message }];
  });

const removedMessage = (planned: number, kept: number): string => {
  if (planned === 0) return 'The plan removes no nodes';
  return kept === 0
    ? `All ${planned} nodes that the plan removes are gone`
    : `${planned - kept} of the ${planned} nodes that the plan removes are gone, ${kept} stay: see status.nodesDeletion`;
};

/**
 * The deletion phase. Pods on kept nodes are evicted before any drain begins, since other pods get their room; those
 * that could not be evicted in time are reattached and stay.
 */
export const drainAndDelete = (state: ExecutionState): Decision => {
  const claims = deletedClaims(state.plan.spec);
  const blocked = moveBlockers(state);
  const pending = pendingPodsOnKeptNodes(state).filter((pod) => !blocked.has(pod));
  const going = new Set(pending);
  const staying = state.podsOnKeptNodes.filter((pod) => !going.has(pod));
  const results = drainNodes(state, claims, pending.length === 0);
  const waiting = claims.filter((_, at) => results[at]?.isWaiting);
  const next = [
    ...reattachSteps(state, staying),
    ...stayingSteps(state, blocked),
    ...evictSteps(state, pending),
    ...results.flatMap((r) => r.steps),
    ...closingSteps(state, waiting),
  ];
  const failure = next.find((s) => s.kind === 'fail');
  if (failure) return steps(failure);
  if (next.length > 0 || pending.length > 0 || results.some((r) => !r.isDone))
    return { steps: next, againAfterMs: lookAgainAfter(state) };
  return steps({
    kind: 'advance',
    phase: 'NodesDeleted',
    reason: 'NodesRemoved',
    message: removedMessage(claims.length, claims.filter((claim) => isKept(state.plan, claim)).length),
  });
};

const lookAgainAfter = ({
  evictionRetryAt,
  unscheduledPods,
  pins,
  now,
}: Pick<ExecutionState, 'evictionRetryAt' | 'unscheduledPods' | 'pins' | 'now'>): number => {
  const retries = [...evictionRetryAt.values()].filter((at) => at > now);
  // No watch reports that the pinner connects or leaves.
  const soon = unscheduledPods.length > 0 || !pins.connected ? SOON_MS : LOOK_AGAIN_MS;
  return Math.min(soon, ...retries.map((at) => at - now));
};
