import type { Pod } from '../../api/objects.ts';
import type { Requests } from '../scheduling/noderesources.ts';

/** A pod with its requests and the claims, by index, that may hold it. */
export interface QueuedPod {
  readonly pod: Pod;
  readonly requests: Requests;
  readonly claims: ReadonlySet<number>;
}

/** Comparisons of pods with claims after which no further opening order is tried. */
const MAX_COMPARISONS = 400_000;

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

/** One number per resource, in the order of one replay's resources. */
type ResourceVector = Float64Array;

const valueAt = (vector: ResourceVector, resource: number): number => {
  const value = vector[resource];
  if (value === undefined) throw new Error(`resource ${resource} is missing`);
  return value;
};

const hasRoom = (remaining: ResourceVector, requests: ResourceVector): boolean => {
  for (let resource = 0; resource < requests.length; resource++) {
    if (valueAt(requests, resource) > valueAt(remaining, resource)) return false;
  }
  return true;
};

/** A claim during one attempt: its remaining requests and its pods so far. */
interface OpenClaim {
  readonly index: number;
  /** The same for claims with the same requests. */
  readonly key: string;
  readonly remaining: ResourceVector;
  podCount: number;
}

interface Attempt {
  /** Per pod the index of its claim. */
  readonly claimOfPod: readonly (number | undefined)[];
  /** The claims in the order in which they were opened. */
  readonly opened: readonly OpenClaim[];
  readonly unplacedCount: number;
  /** Index of the first pod that Karpenter must have placed otherwise; the number of pods when there is none. */
  readonly divergedAt: number;
}

const CPU = 0;
const PODS = 2;

const isBetter = (a: Attempt, b: Attempt): boolean =>
  a.divergedAt > b.divergedAt || (a.divergedAt === b.divergedAt && a.unplacedCount < b.unplacedCount);

/** CPU that each pod still to come has to request on average. */
const neededCpu = (remaining: ResourceVector): number =>
  valueAt(remaining, CPU) / Math.max(1, valueAt(remaining, PODS));

/**
 * Repeats Karpenter's Scheduler.add to find the index of each pod's claim, undefined for none; see
 * docs/designs/0003-follow-karpenter.md. `pods` are in queue order, `budgets` are the claims' requests.
 */
export const replayScheduler = (
  pods: readonly QueuedPod[],
  budgets: readonly Requests[],
): readonly (number | undefined)[] => {
  const resources = [
    ...new Set(['cpu', 'memory', 'pods', ...pods.flatMap(({ requests }) => [...requests.keys()])]),
  ];
  const vectorOf = (amounts: Requests): ResourceVector =>
    Float64Array.from(resources, (resource) => amounts.get(resource) ?? 0);
  const queue = pods.map((pod) => ({ claims: pod.claims, requests: vectorOf(pod.requests) }));
  /** The claims that need the largest pods first. */
  const unopenedClaims = budgets
    .map((budget, index): OpenClaim => {
      const remaining = vectorOf(budget);
      return { index, key: remaining.join(), remaining, podCount: 0 };
    })
    .sort((a, b) => neededCpu(b.remaining) - neededCpu(a.remaining) || a.index - b.index);
  let comparisons = 0;

  /** One replay that opens the claims with indexes `openFirst` in order, then those that need the largest pods. */
  const attempt = (openFirst: readonly number[]): Attempt => {
    const claims = unopenedClaims.map(
      (claim): OpenClaim => ({
        ...claim,
        remaining: claim.remaining.slice(),
      }),
    );
    const unopened = new Set(claims);
    const opened: OpenClaim[] = [];
    const open: OpenClaim[] = [];
    const claimOfPod: (number | undefined)[] = [];
    let unplacedCount = 0;
    let divergedAt = queue.length;
    for (const [i, { claims: allowed, requests }] of queue.entries()) {
      const canHold = (claim: OpenClaim): boolean =>
        allowed.has(claim.index) && hasRoom(claim.remaining, requests);
      comparisons += claims.length;
      // Later pods request at most as much, so a claim that needs more on average can't be used up any more.
      const isBehind = ({ remaining }: OpenClaim): boolean =>
        valueAt(remaining, PODS) > 0 && neededCpu(remaining) > valueAt(requests, CPU);
      if (divergedAt > i && claims.some(isBehind)) divergedAt = i;
      open.sort((a, b) => a.podCount - b.podCount);
      let claim = open.find(canHold);
      if (!claim) {
        const preferred = unopened.values().find(({ index }) => index === openFirst[opened.length]);
        claim = preferred && canHold(preferred) ? preferred : unopened.values().find(canHold);
        if (claim) {
          unopened.delete(claim);
          opened.push(claim);
          open.push(claim);
        }
      }
      claimOfPod.push(claim?.index);
      if (!claim) {
        unplacedCount++;
        divergedAt = Math.min(divergedAt, i);
        continue;
      }
      const { remaining } = claim;
      requests.forEach((requested, resource) => {
        remaining[resource] = valueAt(remaining, resource) - requested;
      });
      claim.podCount++;
    }
    return { claimOfPod, opened, unplacedCount, divergedAt };
  };

  let best = attempt([]);
  for (let turn = 0; turn < best.opened.length && best.divergedAt < queue.length; turn++) {
    const before = best.opened.slice(0, turn).map(({ index }) => index);
    const tried = new Set(best.opened.slice(turn, turn + 1).map(({ key }) => key));
    for (const { index, key } of unopenedClaims) {
      if (comparisons > MAX_COMPARISONS || best.divergedAt >= queue.length) break;
      if (before.includes(index) || tried.has(key)) continue;
      tried.add(key);
      const found = attempt([...before, index]);
      if (isBetter(found, best)) best = found;
    }
  }
  return best.claimOfPod;
};
