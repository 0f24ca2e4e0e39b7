import {
  consolidationOwner,
  foreignMark,
  isMarkedBy,
  parseOwnerMark,
} from '../../../api/identity/ownermark.ts';
import type { Node, NodeClaim } from '../../../api/objects.ts';
import { foreignNodeOf } from '../../../api/plans.ts';
import { foreignDestinations, placesInUse } from '../state/claimnames.ts';
import { IN_USE_BY } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import type { Step } from '../state/step.ts';

/**
 * Nodes in use: a plan starts only once the NodeClaim of each existing node that it removes or fills carries its mark,
 * or the node itself where Karpenter does not own it, so that it has these nodes to itself. See docs/designs/0018-plans-own-what-they-touch.md.
 */

type UseState = Pick<ExecutionState, 'plan' | 'nodeClaims' | 'nodes'>;

/** What bears the mark of its user: the NodeClaim, or the node of a destination that Karpenter does not own. */
const marked = ({ nodeClaims, nodes }: UseState, place: string): NodeClaim | Node | undefined =>
  foreignNodeOf(place) === undefined ? nodeClaims.get(place) : nodes.get(place);

/** What the plan takes at its start, in the order that all plans keep to: so one of them always gets all. */
export const placesToTake = (state: UseState): readonly string[] =>
  placesInUse(state.plan)
    .filter((place) => marked(state, place)?.metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => (a < b ? -1 : 1));

/** Why the plan can't have all of its nodes now; undefined when nothing known speaks against it. */
export const inUseReason = (state: UseState & Pick<ExecutionState, 'placesOfOthers'>): string | undefined => {
  const { plan, nodes, placesOfOthers } = state;
  for (const place of placesInUse(plan)) {
    const object = marked(state, place);
    const user = object && parseOwnerMark(foreignMark(plan, object, IN_USE_BY));
    const node = foreignNodeOf(place) ?? nodes.get(place)?.metadata.name;
    const claim = foreignNodeOf(place) === undefined ? ` (NodeClaim ${place})` : '';
    const what = node === undefined ? `NodeClaim ${place}` : `Node ${node}${claim}`;
    if (object && isMarkedBy(consolidationOwner(object), object, IN_USE_BY)) {
      return `${what} is being removed by node consolidation`;
    }
    if (user) return `${what} is in use by RebalancePlan ${user.name}`;
    if (placesOfOthers.has(place)) return `${what} is in use by another running plan`;
  }
  return undefined;
};

/** Gives back the nodes that the plan has. */
export const freeSteps = (state: UseState): readonly Step[] => {
  const places = new Set([...state.nodeClaims.keys(), ...foreignDestinations(state.plan)]);
  return [...places].flatMap((place): Step[] => {
    const object = marked(state, place);
    if (!object || !isMarkedBy(state.plan, object, IN_USE_BY)) return [];
    const node = foreignNodeOf(place);
    const what = node === undefined ? `NodeClaim ${place}` : `node ${node}`;
    return [{ kind: 'free', place, reason: 'NodeFreed', message: `Other plans may use ${what} again` }];
  });
};
