import type { Pod } from '../../api/objects.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { assignKinds } from './assignment.ts';
import {
  budgetOf,
  type ClaimState,
  compareAge,
  compareText,
  isWithin,
  type PendingClass,
  roomOf,
} from './claimstate.ts';
import { isKeptOff } from './inflightclaim.ts';
import { compareQueueOrder, replayScheduler } from './schedulerreplay.ts';

/** Pods of one class, with the indexes of the claims that may hold them. */
interface Group {
  readonly requests: Requests;
  readonly claims: ReadonlySet<number>;
  readonly pods: readonly Pod[];
}

/** Since when Karpenter counts a pod: kube-scheduler found no node for it then, some seconds after it was created. */
const pendingSince = ({ metadata, status }: Pod): string =>
  status?.conditions?.find(({ type }) => type === 'PodScheduled')?.lastTransitionTime ??
  metadata.creationTimestamp ??
  '';

/** How many pods the claims were bought for, and whether a pod is no younger than the last claim. */
const purchaseOf = (claims: readonly ClaimState[]) => {
  const times = claims.map(({ inFlight }) => inFlight.claim.metadata.creationTimestamp ?? '');
  const newest = times.sort().at(-1) ?? '';
  return {
    count: claims.reduce((sum, claim) => sum + Math.max(0, budgetOf(claim, 'pods')), 0),
    isOldEnough: (pod: Pod): boolean => newest === '' || pendingSince(pod) <= newest,
  };
};

/**
 * The pods that Karpenter can have bought the claims for, with the index of the claim that a replay of its scheduler
 * puts each on: the oldest, as many as were bought for.
 */
const replayBoughtFor = (
  groups: readonly Group[],
  claims: readonly ClaimState[],
): ReadonlyMap<Pod, number | undefined> => {
  const { count, isOldEnough } = purchaseOf(claims);
  const queued = groups
    .flatMap(({ requests, claims: of, pods }) => pods.map((pod) => ({ pod, requests, claims: of })))
    .filter(({ pod }) => isOldEnough(pod))
    .sort((a, b) => compareText(pendingSince(a.pod), pendingSince(b.pod)) || compareAge(a.pod, b.pod));
  const last = queued[Math.min(count, queued.length) - 1];
  if (last === undefined) return new Map();
  const old = queued.filter(({ pod }) => pendingSince(pod) <= pendingSince(last.pod)).sort(compareQueueOrder);
  const replayed = replayScheduler(
    old,
    claims.map(({ budget }) => budget),
  );
  // Of pods of the same second, those that the replay has a claim for were there in time.
  const found = old
    .map(({ pod }, i): [Pod, number | undefined] => [pod, replayed[i]])
    .sort(
      ([a, claimOfA], [b, claimOfB]) =>
        compareText(pendingSince(a), pendingSince(b)) ||
        (claimOfA === undefined ? 1 : 0) - (claimOfB === undefined ? 1 : 0) ||
        compareAge(a, b),
    );
  return new Map(found.slice(0, count));
};

/** A claim for each pod that has a place, and how many of those that Karpenter bought for have none. */
export interface BoughtFor {
  readonly claimOf: ReadonlyMap<Pod, ClaimState>;
  readonly unplaced: number;
}

/**
 * A claim for every pod that the claims were bought for, as a replay of Karpenter's scheduler has it, changed as far as
 * it takes for all of them to have a place. `canJoin` is about pods that are on the claims already; undefined when no pod
 * has rules about others.
 */
export const assignBoughtFor = (
  queue: readonly PendingClass[],
  claims: readonly ClaimState[],
  canJoin: ((pod: Pod, claim: ClaimState) => boolean) | undefined,
): BoughtFor => {
  const indexes = new Map(claims.map((claim, index) => [claim, index]));
  const groups = queue.flatMap(({ podClass: { pod, requests }, claims: allowed, pods }): Group[] => {
    const of = allowed.filter(
      (claim) => isWithin(requests, roomOf(claim)) && (canJoin?.(pod, claim) ?? true),
    );
    if (of.length === 0 || pods.length === 0) return [];
    return [{ requests, pods, claims: new Set(of.flatMap((claim) => indexes.get(claim) ?? [])) }];
  });
  const { count, isOldEnough } = purchaseOf(claims);
  const allowed = queue.filter(({ claims: of }) => of.length > 0).flatMap(({ pods }) => pods);
  const expected = Math.min(count, allowed.filter(isOldEnough).length);
  const replayed = replayBoughtFor(groups, claims);
  const kinds = groups
    .map((group) => ({ ...group, pods: group.pods.filter((pod) => replayed.has(pod)) }))
    .filter(({ pods }) => pods.length > 0);
  if (kinds.length === 0) return { claimOf: new Map(), unplaced: expected };
  const keepsOff = (a: number, b: number): boolean => {
    const [first, second] = [kinds[a], kinds[b]];
    const [pod, other] = [first?.pods[0], second?.pods[0]];
    const shared = claims.find(
      ({ inFlight }, i) => inFlight.node && first?.claims.has(i) && second?.claims.has(i),
    );
    return pod !== undefined && other !== undefined && shared !== undefined
      ? isKeptOff(shared.inFlight, pod, [other])
      : false;
  };
  const { claimsOf } = assignKinds({
    kinds: kinds.map(({ requests, pods, claims: of }) => ({
      requests,
      count: pods.length,
      claims: [...of],
      preferred: pods.flatMap((pod) => replayed.get(pod) ?? []),
    })),
    budgets: claims.map(({ budget }) => budget),
    rooms: claims.map(roomOf),
    ...(canJoin && { keepsOff }),
  });
  const claimOf = new Map(
    kinds.flatMap(({ pods }, kind) =>
      pods.flatMap((pod, i): [Pod, ClaimState][] => {
        const claim = claims[claimsOf[kind]?.[i] ?? -1];
        return claim ? [[pod, claim]] : [];
      }),
    ),
  );
  return { claimOf, unplaced: expected - claimOf.size };
};
