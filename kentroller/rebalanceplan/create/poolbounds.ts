import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE, KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import type { NodePool } from '../../../api/objects.ts';
import { type Excess, PoolBounds } from '../../../planner/plan/verify/poolbounds.ts';
import type { ExecutionState } from '../state/state.ts';
import { alternativesOf, valuesOf } from './alternatives.ts';

/** The bounds of NodePools, by the NodePools as they are now. See docs/designs/0027-plans-are-bounded.md. */

type BoundsState = Pick<ExecutionState, 'plan' | 'nodePools' | 'offerings'>;

/** The NodePool that a planned node is of; undefined when it does not exist. */
export const poolOf = (
  { nodePools }: Pick<ExecutionState, 'nodePools'>,
  { metadata }: NodeClaimToAdd,
): NodePool | undefined => nodePools.get(metadata.labels?.[KARPENTER_NODEPOOL] ?? '');

/** Whether an alternative of a planned node names a type of the catalogue, or none at all. */
const hasKnownType = ({ offerings }: BoundsState, planned: NodeClaimToAdd, pool: NodePool): boolean =>
  alternativesOf(planned, pool).some(({ requirements }) => {
    const types = valuesOf(requirements, INSTANCE_TYPE);
    return types.length === 0 || types.some((name) => offerings?.type(name));
  });

/** What planned nodes ask for beyond their NodePools, each with its index in the plan. */
function* excesses(
  state: BoundsState,
  planned: readonly NodeClaimToAdd[],
): Generator<readonly [number, NodeClaimToAdd, Excess]> {
  const chosen = new Set(planned);
  const names = new Set<string>();
  const bounds = new Map<NodePool, PoolBounds>();
  for (const [index, each] of (state.plan.spec.nodeClaimsToAdd ?? []).entries()) {
    const isTwin = names.has(each.metadata.name);
    names.add(each.metadata.name);
    if (!chosen.has(each)) continue;
    if (isTwin) yield [index, each, { field: 'metadata.name', text: 'is the name of another planned node' }];
    const pool = poolOf(state, each);
    if (!pool) continue;
    const ofPool = bounds.get(pool) ?? new PoolBounds(pool, state.offerings?.catalogue);
    bounds.set(pool, ofPool);
    const found = ofPool.excesses(each);
    const canBeKnown = found.some(({ isUnknownType }) => isUnknownType) && hasKnownType(state, each, pool);
    for (const excess of found) if (!(excess.isUnknownType && canBeKnown)) yield [index, each, excess];
  }
}

/** Why planned nodes may not be ordered, with the field named; undefined when they stay within their NodePools. */
export const boundsFault = (state: BoundsState, planned: readonly NodeClaimToAdd[]): string | undefined => {
  for (const [index, { metadata }, { field, text, isUnsure }] of excesses(state, planned)) {
    if (isUnsure) continue;
    const pool = metadata.labels?.[KARPENTER_NODEPOOL] ?? '';
    return `Planned node ${metadata.name} asks for more than NodePool ${pool} gives: nodeClaimsToAdd[${index}].${field} ${text}. Change the NodePool, or make a new plan.`;
  }
  return undefined;
};

/** Whether planned nodes can't be judged before the cloud's catalogue was read. */
export const needsCatalogue = (state: BoundsState, planned: readonly NodeClaimToAdd[]): boolean =>
  [...excesses({ ...state, offerings: undefined }, planned)].some(([, , { isUnsure }]) => isUnsure);
