import { sideOfNode } from '../../api/spotpods/occupied.ts';
import type { Side } from '../../api/spotpods/split.ts';
import { slotsOf } from '../placement/slotcount.ts';
import { nodeOfIntent } from '../placement/slotorder.ts';
import type { State } from '../placement/state.ts';

/** The sides on which a plan has free slots for an owner, as far as their nodes are known. */
export const plannedSides = (state: State, ownerUid: string): ReadonlySet<Side> =>
  new Set(
    slotsOf(state, ownerUid)
      .filter(({ free }) => free > 0)
      .flatMap(({ intent }) => sideOfNode(nodeOfIntent(state, intent)) ?? []),
  );
