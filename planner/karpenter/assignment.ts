import type { Requests } from '../scheduling/noderesources.ts';
import type { Assignment, AssignmentProblem } from './assignmentproblem.ts';
import { AssignmentSearch } from './assignmentsearch.ts';

/** Exchanges looked at while claims are no larger than what they were bought for. */
const MAX_BUDGET_LOOKS = 40_000;
/** Exchanges looked at from one start, and from all together: others wait meanwhile, such as renewals of the Lease. */
const MAX_LOOKS = 300_000;
const MAX_ALL_LOOKS = 700_000;

const placedIn = ({ claimsOf }: Assignment): number => claimsOf.reduce((sum, { length }) => sum + length, 0);

/** Whether the claims have less room together than the pods need, so that no assignment places them all. */
const lacksRoom = ({ kinds, rooms }: AssignmentProblem): boolean => {
  const needed: Requests = new Map();
  for (const { requests, count } of kinds)
    for (const [resource, value] of requests)
      needed.set(resource, (needed.get(resource) ?? 0) + count * value);
  return [...needed].some(
    ([resource, value]) => rooms.reduce((sum, room) => sum + Math.max(0, room.get(resource) ?? 0), 0) < value,
  );
};

/**
 * Looks for an assignment in which every pod has a place and no claim is overfilled: close to what the claims were
 * bought for first, then anywhere in their rooms, from another start each time. Where none is found, pods that would
 * overfill a claim have no place.
 */
export const assignKinds = (problem: AssignmentProblem): Assignment => {
  const near = new AssignmentSearch(problem, 0);
  near.fill(true);
  near.run(MAX_BUDGET_LOOKS);
  near.enlarge();
  near.run(MAX_LOOKS);
  near.trim();
  let best = near.assignment();
  if (best.isComplete || lacksRoom(problem)) return best;
  let left = MAX_ALL_LOOKS - near.looks;
  for (let start = 1; left > 0 && !best.isComplete; start++) {
    const search = new AssignmentSearch(problem, start);
    search.enlarge();
    search.fill(false);
    search.run(Math.min(left, MAX_LOOKS));
    search.trim();
    // A start without any exchange to look at is work, too.
    left -= Math.max(search.looks, MAX_LOOKS / 10);
    const found = search.assignment();
    if (placedIn(found) > placedIn(best)) best = found;
  }
  return best;
};
