import * as labels from '../../api/labels.ts';
import type { NodeClaim, Pod } from '../../api/objects.ts';
import { isRunning } from '../../e2e/support/workload.ts';
import { attributePods } from '../../planner/karpenter/attribution.ts';
import { requestsOf } from '../../planner/karpenter/inflightclaim.ts';
import { deductRequests } from '../../planner/scheduling/nodeinfo.ts';
import { podRequests, type Requests } from '../../planner/scheduling/noderesources.ts';

/** The outcome of one burst. */
export interface Outcome {
  readonly pods: number;
  /** Pods that run on a claim bought for pods like them, at most as many of a kind as it was bought for. */
  readonly onPlan: number;
  /** Claims whose pods together request exactly what the claim was bought for. */
  readonly exact: number;
  readonly claims: number;
  /** Claims bought after there were claims for every pod. */
  readonly extra: number;
  /** Claims that plans of ours ordered. */
  readonly ofPlans: number;
  /** Milliseconds until the newest claim, until all pods were bound, and until the first, half and all of them ran. */
  readonly claimsMs: number;
  readonly nodes: number;
  /** USD per hour of the machines at the end. */
  readonly cost: number;
  readonly boundMs: number;
  readonly firstMs: number;
  readonly medianMs: number;
  readonly lastMs: number;
  readonly failed: number;
}

const kindOf = (pod: Pod): string => pod.metadata.ownerReferences?.[0]?.uid ?? pod.metadata.name;

const countBy = <T>(all: readonly T[], key: (each: T) => string): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const each of all) counts.set(key(each), (counts.get(key(each)) ?? 0) + 1);
  return counts;
};

const byCreation = (a: NodeClaim, b: NodeClaim): number => {
  const [first, second] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  return first < second ? -1 : first > second ? 1 : 0;
};

/** Claims in order of creation, up to the one with which every pod had been bought for once. */
export const boughtFirst = (claims: readonly NodeClaim[], pods: number): readonly NodeClaim[] => {
  let covered = 0;
  return [...claims].sort(byCreation).filter((claim) => {
    if (covered >= pods) return false;
    covered += requestsOf(claim).get('pods') ?? 0;
    return true;
  });
};

/** Pods on a claim whose requests say that pods of their kind were meant to be there. */
export const countOnPlan = (first: readonly NodeClaim[], running: readonly Pod[]): number => {
  const asPending = running.map(({ metadata, spec: { nodeName: _, ...spec } }): Pod => ({ metadata, spec }));
  const inFlight = first.map((claim) => ({ claim, budget: requestsOf(claim), node: undefined }));
  const { attributions: plan } = attributePods({ inFlight, pods: asPending, assigned: new Map() });
  const planned = countBy(plan, ({ claim, pod }) => `${claim}/${kindOf(pod)}`);
  const claimOn = new Map(first.map((claim) => [claim.status?.nodeName ?? '', claim.metadata.name]));
  const actual = countBy(running, (pod) => `${claimOn.get(pod.spec.nodeName ?? '')}/${kindOf(pod)}`);
  let sum = 0;
  for (const [key, count] of planned) sum += Math.min(count, actual.get(key) ?? 0);
  return sum;
};

const isExact = (claim: NodeClaim, running: readonly Pod[]): boolean => {
  const sum: Requests = new Map();
  for (const pod of running) {
    if (pod.spec.nodeName === claim.status?.nodeName) deductRequests(sum, podRequests(pod), -1);
  }
  return [...requestsOf(claim)].every(([resource, value]) => value === (sum.get(resource) ?? 0));
};

export const judge = (o: {
  readonly pods: readonly Pod[];
  /** Every claim of the round, in its last state. */
  readonly seen: readonly NodeClaim[];
  readonly standing: readonly NodeClaim[];
  readonly prices: ReadonlyMap<string, number>;
}): Pick<Outcome, 'pods' | 'onPlan' | 'exact' | 'claims' | 'extra' | 'nodes' | 'cost'> => {
  const running = o.pods.filter(isRunning);
  const first = boughtFirst(o.seen, running.length);
  const priceOf = (claim: NodeClaim): number =>
    o.prices.get(claim.metadata.labels?.[labels.INSTANCE_TYPE] ?? '') ?? Number.NaN;
  return {
    pods: running.length,
    onPlan: countOnPlan(first, running),
    exact: first.filter((claim) => isExact(claim, running)).length,
    claims: first.length,
    extra: o.seen.length - first.length,
    nodes: o.standing.length,
    cost: o.standing.reduce((sum, claim) => sum + priceOf(claim), 0),
  };
};
