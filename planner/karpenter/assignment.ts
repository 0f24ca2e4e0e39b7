import type { Assignment, AssignmentProblem } from './assignmentproblem.ts';
import { AssignmentSearch } from './assignmentsearch.ts';

/** Exchanges looked at while claims are no larger than what they were bought for. */
const MAX_BUDGET_LOOKS = 100_000;
/** Exchanges looked at from each start before the next one; all of them take some hundred milliseconds. */
const MAX_LOOKS = 400_000;

const placedIn = ({ claimsOf }: Assignment): number => claimsOf.reduce((sum, { length }) => sum + length, 0);

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
  for (let start = 1; start < problem.starts && !best.isComplete; start++) {
    const search = new AssignmentSearch(problem, start);
    search.enlarge();
    search.fill(false);
    search.run(MAX_LOOKS);
    search.trim();
    const found = search.assignment();
    if (placedIn(found) > placedIn(best)) best = found;
  }
  return best;
};
