import {
  consolidationOwner,
  foreignMark,
  isMarkedBy,
  parseOwnerMark,
} from '../../../api/identity/ownermark.ts';
import { existingClaims } from '../state/claimnames.ts';
import { IN_USE_BY } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import type { Step } from '../state/step.ts';

/**
 * Nodes in use: a plan starts only once the NodeClaim of each existing node that it removes or fills carries its mark,
 * so that it has these nodes to itself. See docs/designs/0018-plans-own-what-they-touch.md.
 */

type UseState = Pick<ExecutionState, 'plan' | 'nodeClaims'>;

/** NodeClaims that the plan takes at its start, in the order that all plans keep to: so one of them always gets all. */
export const claimsToTake = ({ plan, nodeClaims }: UseState): readonly string[] =>
  existingClaims(plan)
    .filter((name) => nodeClaims.get(name)?.metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => (a < b ? -1 : 1));

/** Why the plan can't have all of its nodes now; undefined when nothing known speaks against it. */
export const inUseReason = (
  state: UseState & Pick<ExecutionState, 'nodes' | 'claimsInUse'>,
): string | undefined => {
  const { plan, nodeClaims, nodes, claimsInUse } = state;
  for (const name of existingClaims(plan)) {
    const claim = nodeClaims.get(name);
    const user = claim && parseOwnerMark(foreignMark(plan, claim, IN_USE_BY));
    const node = nodes.get(name)?.metadata.name;
    const what = node === undefined ? `NodeClaim ${name}` : `Node ${node} (NodeClaim ${name})`;
    if (claim && isMarkedBy(consolidationOwner(claim), claim, IN_USE_BY)) {
      return `${what} is being removed by node consolidation`;
    }
    if (user) return `${what} is in use by RebalancePlan ${user.name}`;
    if (claimsInUse.has(name)) return `${what} is in use by another running plan`;
  }
  return undefined;
};

/** Gives back the nodes that the plan has. */
export const freeSteps = ({ plan, nodeClaims }: UseState): readonly Step[] =>
  [...nodeClaims.values()]
    .filter((claim) => isMarkedBy(plan, claim, IN_USE_BY))
    .map(({ metadata: { name } }) => ({
      kind: 'free',
      claim: name,
      reason: 'NodeFreed',
      message: `Other plans may use NodeClaim ${name} again`,
    }));
