import type { Pod } from '../../api/objects.ts';
import type { Requests } from '../scheduling/noderesources.ts';

/** A pod with its requests and the claims, by index, that may hold it. */
export interface QueuedPod {
  readonly pod: Pod;
  readonly requests: Requests;
  readonly claims: ReadonlySet<number>;
}

/** Comparisons of pods with claims after which no further opening order is tried. */
const MAX_COMPARISONS = 800_000;

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The order of Karpenter's queue: most CPU, most memory, oldest, uid. */
export const compareQueueOrder = (a: QueuedPod, b: QueuedPod): number => {
  const more = (resource: string): number =>
    (b.requests.get(resource) ?? 0) - (a.requests.get(resource) ?? 0);
  const [m, n] = [a.pod.metadata, b.pod.metadata];
  return (
    more('cpu') ||
    more('memory') ||
    compareText(m.creationTimestamp ?? '', n.creationTimestamp ?? '') ||
    compareText(m.uid ?? '', n.uid ?? '')
  );
};

/** A claim during one attempt: its remaining requests, one number per resource, and its pods so far. */
interface OpenClaim {
  readonly index: number;
  readonly remaining: Float64Array;
  podCount: number;
}

interface Attempt {
  /** Per pod the index of its claim, or -1. */
  readonly claimOfPod: Int32Array;
  /** The claims in the order in which they were opened. */
  readonly opened: readonly number[];
  readonly unplacedCount: number;
  /** The first pod with which Karpenter must have done otherwise; the number of pods when there is none. */
  readonly divergedAt: number;
}

const CPU = 0;
const PODS = 2;

const isBetter = (a: Attempt, b: Attempt): boolean =>
  a.divergedAt > b.divergedAt || (a.divergedAt === b.divergedAt && a.unplacedCount < b.unplacedCount);

/**
 * Repeats Karpenter's Scheduler.add to find the claim of each pod: the index per pod, -1 for none. `pods` are in
 * queue order, `budgets` are the claims' requests; how it works is in docs/designs/0003-follow-karpenter.md.
 */
export const replayScheduler = (pods: readonly QueuedPod[], budgets: readonly Requests[]): Int32Array => {
  const resources = [
    ...new Set(['cpu', 'memory', 'pods', ...pods.flatMap(({ requests }) => [...requests.keys()])]),
  ];
  const width = resources.length;
  const requestsOf = pods.map(({ requests }) => Float64Array.from(resources, (r) => requests.get(r) ?? 0));
  const budgetOf = budgets.map((budget) => Float64Array.from(resources, (r) => budget.get(r) ?? 0));
  const budgetKeys = budgetOf.map((budget) => budget.join());
  const hasRoom = (remaining: Float64Array, requests: Float64Array): boolean => {
    for (let r = 0; r < width; r++) if ((requests[r] ?? 0) > (remaining[r] ?? 0)) return false;
    return true;
  };
  /** CPU that each pod still to come has to request on average. */
  const neededCpu = (remaining: Float64Array): number =>
    (remaining[CPU] ?? 0) / Math.max(1, remaining[PODS] ?? 0);
  const order = budgetOf
    .map((budget, index) => ({ index, need: neededCpu(budget) }))
    .sort((a, b) => b.need - a.need || a.index - b.index)
    .map(({ index }) => index);
  let comparisons = 0;

  /** One replay that opens the claims of `openFirst` in their order, then those that need the largest pods. */
  const attempt = (openFirst: readonly number[]): Attempt => {
    const claims = budgetOf.map(
      (budget, index): OpenClaim => ({
        index,
        remaining: budget.slice(),
        podCount: 0,
      }),
    );
    const opened: number[] = [];
    const unopened = new Set(order);
    const open: OpenClaim[] = [];
    const claimOfPod = new Int32Array(pods.length).fill(-1);
    let unplacedCount = 0;
    let divergedAt = pods.length;
    for (const [i, pod] of pods.entries()) {
      const requests = requestsOf[i] as Float64Array;
      const canHold = (claim: OpenClaim | undefined): claim is OpenClaim =>
        claim !== undefined && pod.claims.has(claim.index) && hasRoom(claim.remaining, requests);
      comparisons += claims.length;
      // Later pods request at most as much, so a claim that needs more on average can't be used up any more.
      const isBehind = ({ remaining }: OpenClaim): boolean =>
        (remaining[PODS] ?? 0) > 0 && neededCpu(remaining) > (requests[CPU] ?? 0);
      if (divergedAt > i && claims.some(isBehind)) divergedAt = i;
      open.sort((a, b) => a.podCount - b.podCount);
      let claim = open.find(canHold);
      if (!claim) {
        const preferred = claims[openFirst[opened.length] ?? -1];
        const index =
          canHold(preferred) && unopened.has(preferred.index)
            ? preferred.index
            : order.find((n) => unopened.has(n) && canHold(claims[n]));
        claim = index === undefined ? undefined : claims[index];
        if (claim) {
          unopened.delete(claim.index);
          opened.push(claim.index);
          open.push(claim);
        }
      }
      if (!claim) {
        unplacedCount++;
        divergedAt = Math.min(divergedAt, i);
        continue;
      }
      for (let r = 0; r < width; r++) claim.remaining[r] = (claim.remaining[r] ?? 0) - (requests[r] ?? 0);
      claim.podCount++;
      claimOfPod[i] = claim.index;
    }
    return { claimOfPod, opened, unplacedCount, divergedAt };
  };

  let best = attempt([]);
  for (let turn = 0; turn < best.opened.length && best.divergedAt < pods.length; turn++) {
    const before = best.opened.slice(0, turn);
    const tried = new Set([budgetKeys[best.opened[turn] ?? -1]]);
    for (const index of order) {
      const key = budgetKeys[index] ?? '';
      if (comparisons > MAX_COMPARISONS || best.divergedAt >= pods.length) break;
      if (before.includes(index) || tried.has(key)) continue;
      tried.add(key);
      const found = attempt([...before, index]);
      if (isBetter(found, best)) best = found;
    }
  }
  return best.claimOfPod;
};
