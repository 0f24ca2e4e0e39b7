import type { Pod } from '../../api/objects.ts';
import { type PodClass, podClassesOf } from '../packing/podclass.ts';
import { requiredAntiAffinity } from '../scheduling/interpodaffinity.ts';
import { deductRequests } from '../scheduling/nodeinfo.ts';
import { hostPorts } from '../scheduling/nodeports.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { type InFlightClaim, isAllowedOn, isKeptOff } from './inflightclaim.ts';
import { compareQueueOrder, type QueuedPod, replayScheduler } from './schedulerreplay.ts';

export interface Attribution {
  readonly pod: Pod;
  /** Name of the NodeClaim. */
  readonly claim: string;
  /**
   * `assigned`: sent to the claim before; `requests`: the claim was bought for it; `room`: the machine is larger than
   * the requests.
   */
  readonly basis: 'assigned' | 'requests' | 'room';
}

/** A claim with what the pods attributed so far leave of its requests and of its machine. */
interface ClaimState {
  readonly inFlight: InFlightClaim;
  readonly name: string;
  readonly budget: Requests;
  /** Undefined until the machine is launched. */
  readonly free: Requests | undefined;
  readonly pods: Pod[];
}

/** The pods of one class that have no claim yet, and the claims that may hold them. */
interface PendingClass {
  readonly podClass: PodClass;
  readonly claims: readonly ClaimState[];
  pods: readonly Pod[];
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const compareAge = (a: Pod, b: Pod): number =>
  compareText(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
  compareText(a.metadata.uid ?? '', b.metadata.uid ?? '');

const isWithin = (requests: Requests, room: Requests): boolean => {
  for (const [resource, requested] of requests) if (requested > (room.get(resource) ?? 0)) return false;
  return true;
};

const hasRoom = (requests: Requests, claim: ClaimState): boolean =>
  claim.free !== undefined && isWithin(requests, claim.free);

const isInBudget = (requests: Requests, claim: ClaimState): boolean =>
  isWithin(requests, claim.budget) && (claim.free === undefined || isWithin(requests, claim.free));

const budgetOf = (claim: ClaimState, resource: string): number => claim.budget.get(resource) ?? 0;

/** Whether the last pod of a claim would use up its remaining requests exactly; true for all pods before the last. */
const usesUpBudget = (requests: Requests, claim: ClaimState): boolean => {
  if (budgetOf(claim, 'pods') !== 1) return true;
  for (const [resource, value] of claim.budget) {
    if (value > 0 && value !== (requests.get(resource) ?? 0)) return false;
  }
  return true;
};

/** What each pod still to come has to request on average for the claim's requests to be used up. */
const neededPerPod = (claim: ClaimState, resource: string): number =>
  budgetOf(claim, resource) / Math.max(1, budgetOf(claim, 'pods'));

const compareNeed = (a: ClaimState, b: ClaimState): number =>
  neededPerPod(b, 'cpu') - neededPerPod(a, 'cpu') ||
  neededPerPod(b, 'memory') - neededPerPod(a, 'memory') ||
  compareText(a.name, b.name);

/** Classes that few claims may hold come first, then Karpenter's order: most CPU, most memory, oldest. */
const compareClasses = (a: PendingClass, b: PendingClass): number => {
  const more = (resource: string): number =>
    (b.podClass.requests.get(resource) ?? 0) - (a.podClass.requests.get(resource) ?? 0);
  return (
    a.claims.length - b.claims.length ||
    more('cpu') ||
    more('memory') ||
    compareAge(a.podClass.pod, b.podClass.pod)
  );
};

/** For pods that the replay placed nowhere: exact sums first, then room in a claim's requests, then in its machine. */
const PASSES: readonly {
  readonly basis: Attribution['basis'];
  readonly allows: (requests: Requests, claim: ClaimState) => boolean;
}[] = [
  {
    basis: 'requests',
    allows: (requests, claim) => isInBudget(requests, claim) && usesUpBudget(requests, claim),
  },
  { basis: 'requests', allows: isInBudget },
  { basis: 'room', allows: hasRoom },
];

const hasRulesAboutPods = (pod: Pod): boolean => requiredAntiAffinity(pod).length + hostPorts(pod).length > 0;

/** The claim that Karpenter bought for each queued pod, by a replay of its scheduler; undefined where it finds none. */
const replayedClaims = (
  queue: readonly PendingClass[],
  claims: readonly ClaimState[],
): ReadonlyMap<Pod, ClaimState | undefined> => {
  const indexes = new Map(claims.map((claim, index) => [claim, index]));
  const pods = queue
    .flatMap(({ podClass: { requests }, claims: allowed, pods }): QueuedPod[] => {
      const of = new Set(allowed.flatMap((claim) => indexes.get(claim) ?? []));
      return pods.map((pod) => ({ pod, requests, claims: of }));
    })
    .sort(compareQueueOrder);
  const claimOfPod = replayScheduler(
    pods,
    claims.map(({ budget }) => budget),
  );
  return new Map(
    pods.map(({ pod }, i) => {
      const index = claimOfPod[i];
      return [pod, index === undefined ? undefined : claims[index]];
    }),
  );
};

/**
 * Attributes pending pods to the claims in flight that Karpenter bought for them, in any order of the lists
 * (docs/designs/0003-follow-karpenter.md); throws a QuantityError. `assigned` maps a pod's uid to its earlier claim,
 * where it stays while it fits.
 */
export const attributePods = (o: {
  readonly inFlight: readonly InFlightClaim[];
  readonly pods: readonly Pod[];
  readonly assigned: ReadonlyMap<string, string>;
}): readonly Attribution[] => {
  const claims = o.inFlight
    .map(
      (inFlight): ClaimState => ({
        inFlight,
        name: inFlight.claim.metadata.name,
        budget: new Map(inFlight.budget),
        free: inFlight.node && new Map(inFlight.node.free),
        pods: [...(inFlight.node?.pods ?? [])],
      }),
    )
    .sort((a, b) => compareText(a.name, b.name));
  const pods = [...o.pods].sort(compareAge);
  const queue = podClassesOf(pods)
    .map(
      (podClass): PendingClass => ({
        podClass,
        claims: claims.filter(({ inFlight }) => isAllowedOn(inFlight, podClass.pod)),
        pods: podClass.pods,
      }),
    )
    .sort(compareClasses);
  const hasRules = [...pods, ...claims.flatMap((claim) => claim.pods)].some(hasRulesAboutPods);
  const canJoin = (pod: Pod, claim: ClaimState): boolean =>
    !hasRules || !isKeptOff(claim.inFlight, pod, claim.pods);

  const found: Attribution[] = [];
  const place = (
    basis: Attribution['basis'],
    choose: (pod: Pod, pending: PendingClass) => ClaimState | undefined,
  ): void => {
    for (const pending of queue) {
      const { requests } = pending.podClass;
      pending.pods = pending.pods.filter((pod) => {
        const claim = choose(pod, pending);
        if (!claim) return true;
        deductRequests(claim.budget, requests);
        if (claim.free) deductRequests(claim.free, requests);
        claim.pods.push(pod);
        found.push({ pod, claim: claim.name, basis });
        return false;
      });
    }
  };
  place('assigned', (pod, { podClass, claims: allowed }) => {
    const claim = allowed.find(({ name }) => name === o.assigned.get(pod.metadata.uid ?? ''));
    return claim && hasRoom(podClass.requests, claim) && canJoin(pod, claim) ? claim : undefined;
  });
  const replayed = replayedClaims(queue, claims);
  place('requests', (pod, { podClass: { requests } }) => {
    const claim = replayed.get(pod);
    return claim && isInBudget(requests, claim) && canJoin(pod, claim) ? claim : undefined;
  });
  for (const { basis, allows } of PASSES) {
    place(basis, (pod, { podClass, claims: allowed }) => {
      let best: ClaimState | undefined;
      for (const claim of allowed) {
        if (!allows(podClass.requests, claim) || (best && compareNeed(best, claim) <= 0)) continue;
        if (canJoin(pod, claim)) best = claim;
      }
      return best;
    });
  }
  return found;
};
