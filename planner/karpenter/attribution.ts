import type { Pod } from '../../api/objects.ts';
import { podClassesOf } from '../packing/podclass.ts';
import { requiredAntiAffinity } from '../scheduling/interpodaffinity.ts';
import { deductRequests } from '../scheduling/nodeinfo.ts';
import { hostPorts } from '../scheduling/nodeports.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { assignBoughtFor } from './boughtfor.ts';
import {
  budgetOf,
  type ClaimState,
  compareAge,
  compareText,
  isWithin,
  type PendingClass,
} from './claimstate.ts';
import { type InFlightClaim, isAllowedOn, isKeptOff } from './inflightclaim.ts';

export interface Attribution {
  readonly pod: Pod;
  /** Name of the NodeClaim. */
  readonly claim: string;
  /**
   * `assigned`: sent to the claim before; `requests`: it is one of the pods that the claims were bought for; `room`: the
   * machine is larger than the requests.
   */
  readonly basis: 'assigned' | 'requests' | 'room';
}

const hasRoom = (requests: Requests, claim: ClaimState): boolean =>
  claim.free !== undefined && isWithin(requests, claim.free);

const isInBudget = (requests: Requests, claim: ClaimState): boolean =>
  isWithin(requests, claim.budget) && (claim.free === undefined || isWithin(requests, claim.free));

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

/** Where pending pods go. */
export interface Attributed {
  readonly attributions: readonly Attribution[];
  /** Pods that the claims were bought for and that the assignment has no place for; other room may hold them. */
  readonly unplaced: number;
}

/** For pods that the assignment has no place for: exact sums first, then room in a claim's requests, then in its machine. */
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

/**
 * Attributes pending pods to the claims in flight that Karpenter bought for them, in any order of the lists
 * (docs/designs/0003-follow-karpenter.md); throws a QuantityError. `assigned` maps a pod's uid to its earlier claim,
 * where it stays while it fits.
 */
export const attributePods = (o: {
  readonly inFlight: readonly InFlightClaim[];
  readonly pods: readonly Pod[];
  readonly assigned: ReadonlyMap<string, string>;
}): Attributed => {
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
  const { claimOf, unplaced } = assignBoughtFor(queue, claims, hasRules ? canJoin : undefined);
  place('requests', (pod, { podClass: { requests } }) => {
    const claim = claimOf.get(pod);
    return claim && isWithin(requests, claim.free ?? claim.budget) && canJoin(pod, claim) ? claim : undefined;
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
  return { attributions: found, unplaced };
};
