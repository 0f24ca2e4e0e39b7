import type { MustGo } from '../../api/kinds/mustgo.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_CAPACITY_TYPE, SPOT, SPOT_FALLBACK } from '../../api/labels.ts';
import type { Node, NodePool, Pod, SelectorRequirement } from '../../api/objects.ts';
import { isReschedulable } from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { isDynamic, poolRequirements } from '../../planner/model/nodepool.ts';
import { capacityTypeOf } from '../../planner/model/standingmachine.ts';
import { meets } from '../../planner/scheduling/nodeaffinity.ts';
import type { Machine } from './machines.ts';
import { claimsInUse, claimsUnderWay, endedPlans, endOf, failuresOf } from './plans.ts';
import type { Refused } from './refusals.ts';

/** Which on-demand nodes stand in for spot, and when spot is tried again. See docs/designs/0049-nodes-that-must-go.md. */

/** Maker of these plans: the value of their label made-by, and the beginning of their names. */
export const FALLBACK = 'spot-fallback';

/** Nodes that go back to spot at once, once one has shown that spot can be had. */
const MAX_NODES = 5;

const isSpot = ({ key, operator, values = [] }: SelectorRequirement): boolean => {
  if (key === SPOT) return operator === 'Exists' || (operator === 'In' && values.includes('true'));
  return key === KARPENTER_CAPACITY_TYPE && operator === 'In' && values.length === 1 && values[0] === 'spot';
};

/** Whether a pod wants a spot node where there is one: by a label, a toleration, a selector, or a preference. */
export const asksForSpot = ({ metadata, spec }: Pod): boolean => {
  const { nodeSelector, tolerations = [], affinity } = spec;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const preferred = affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const terms = [...(required ?? []), ...preferred.map(({ preference }) => preference)];
  return (
    valueAt(metadata.labels, SPOT) === 'true' ||
    valueAt(nodeSelector, SPOT) === 'true' ||
    tolerations.some(({ key }) => key === SPOT) ||
    terms.some(({ matchExpressions = [] }) => matchExpressions.some(isSpot))
  );
};

/** Whether a NodePool buys machines of a capacity type. */
const buys = (pool: NodePool, capacityType: string): boolean =>
  isDynamic(pool) &&
  poolRequirements(pool).every((each) => each.key !== KARPENTER_CAPACITY_TYPE || meets(each, capacityType));

/**
 * Whether a node stands in for spot: an on-demand one of a NodePool that buys spot, too, all of whose pods ask for spot. One
 * with other pods is just an on-demand node.
 */
export const isFallback = ({ node, pool, pods }: Machine): boolean => {
  if (!pool || capacityTypeOf(node) !== 'on-demand' || !buys(pool, 'spot')) return false;
  const movable = pods.filter(isReschedulable);
  return movable.length > 0 && movable.every(asksForSpot);
};

export interface FallbackState {
  readonly plans: readonly RebalancePlan[];
  readonly refusals: Refused;
  readonly machines: readonly Machine[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface FallbackChoice {
  readonly mustGo: Readonly<Record<string, MustGo>>;
  readonly chosen: readonly string[];
  /** Nodes that stand in for spot and lack the label that says so. */
  readonly unlabelled: readonly Node[];
  /** What is awaited, in a few words. */
  readonly waitsFor: string | undefined;
}

/** When spot is tried next after the last try, in milliseconds since 1970, and how many nodes may go then. */
const nextTry = (
  { plans, refusals, now }: FallbackState,
  restoreEveryMs: number,
): { readonly at: number; readonly nodes: number } => {
  const [last] = endedPlans(plans, FALLBACK);
  const state = last?.status?.state;
  const refusedAt = Math.max(0, ...[...refusals.values()].flat());
  // A try without a plan is one that failed.
  if (refusedAt > (last ? endOf(last) : 0)) return { at: refusedAt + restoreEveryMs, nodes: 1 };
  const isRestored = state === 'Done' || state === 'DoneWithWarnings';
  // Where one node has found spot a short time ago, others may follow; else one is tried alone.
  if (last && isRestored) return { at: 0, nodes: endOf(last) + restoreEveryMs > now ? MAX_NODES : 1 };
  return { at: last ? endOf(last) + restoreEveryMs : 0, nodes: 1 };
};

/**
 * Which fallback nodes go back to spot now: a period after they came, one alone until spot has been had, and after a try that failed
 * none for a period. The one whose last try is the longest ago comes first: none keeps the others waiting.
 */
export const fallbackNodes = (restoreEveryMs: number, given: FallbackState): FallbackChoice => {
  const { plans, refusals, machines, now } = given;
  const inUse = claimsInUse(plans);
  const fallbacks = machines.filter(isFallback);
  const unlabelled = fallbacks
    .map(({ node }) => node)
    .filter(({ metadata }) => valueAt(metadata.labels, SPOT_FALLBACK) === undefined);
  const next = nextTry(given, restoreEveryMs);
  const failures = failuresOf(plans, FALLBACK);
  const room = next.nodes - claimsUnderWay(plans, FALLBACK).length;
  const triedAt = ({ claim: { metadata } }: Machine): number =>
    Math.max(0, ...(failures.get(metadata.name) ?? []), ...(refusals.get(metadata.name) ?? []));
  const dueAt = (each: Machine): number =>
    Math.max(Date.parse(each.node.metadata.creationTimestamp ?? ''), triedAt(each)) + restoreEveryMs;
  const waiting = fallbacks.filter(
    ({ claim }) => !claim.metadata.deletionTimestamp && !inUse.has(claim.metadata.name),
  );
  const due = waiting
    .filter((each) => dueAt(each) <= now)
    .toSorted(
      (a, b) =>
        triedAt(a) - triedAt(b) ||
        dueAt(a) - dueAt(b) ||
        (a.node.metadata.name < b.node.metadata.name ? -1 : 1),
    );
  const chosen = next.at > now ? [] : due.slice(0, Math.max(0, room));
  const from = Math.max(next.at, Math.min(...waiting.map(dueAt)));
  const mustGo: MustGo = { reason: 'SpotFallbackRestore', maxPricePercent: 100 };
  return {
    mustGo: Object.fromEntries(chosen.map(({ node }) => [node.metadata.name, mustGo])),
    chosen: chosen.map(({ node }) => node.metadata.name),
    unlabelled,
    waitsFor:
      waiting.length > 0 && from > now
        ? `${waiting.length} on-demand nodes stand in for spot, which is tried again at ${new Date(from).toISOString()}`
        : undefined,
  };
};
