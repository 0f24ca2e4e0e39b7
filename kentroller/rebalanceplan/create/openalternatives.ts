import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import { ZONE } from '../../../api/labels.ts';
import type { Requirement } from '../../../api/objects.ts';
import type { ShiftedZone } from '../../../planner/model/catalogue.ts';
import { shiftText } from '../../../planner/model/offers/zonalshift.ts';
import type { ExecutionState } from '../state/state.ts';
import { attemptsOf } from '../state/status.ts';
import {
  type Alternative,
  type AlternativeOffering,
  isAnyAvailable,
  openAlternatives,
  valuesOf,
} from './alternatives.ts';
import { exhausted, type OrderFailure } from './orderfailures.ts';
import { poolOf } from './poolbounds.ts';

type OpenState = Pick<ExecutionState, 'plan' | 'nodePools' | 'shiftedZones'>;
type IsAvailable = (offering: AlternativeOffering) => boolean;

/** An alternative cut to the zones that are not shifted away; undefined when none is left, or fewer than minValues asks for. */
export const awayFrom = (
  alternative: Alternative,
  shiftedZones: readonly ShiftedZone[],
): Alternative | undefined => {
  const shifted = new Set(shiftedZones.map(({ zone }) => zone));
  const { requirements } = alternative;
  if (!valuesOf(requirements, ZONE).some((zone) => shifted.has(zone))) {
    const isListed = requirements.some(({ key, operator }) => key === ZONE && operator === 'In');
    if (isListed || shifted.size === 0) return alternative;
    const others: Requirement = { key: ZONE, operator: 'NotIn', values: [...shifted] };
    return { ...alternative, requirements: [...requirements, others] };
  }
  const left = requirements.map((each) =>
    each.key === ZONE && each.operator === 'In'
      ? { ...each, values: (each.values ?? []).filter((zone) => !shifted.has(zone)) }
      : each,
  );
  const isTooFew = left.some(
    ({ key, operator, values = [], minValues = 1 }) =>
      key === ZONE && operator === 'In' && values.length < Math.max(1, minValues),
  );
  return isTooFew
    ? undefined
    : { ...alternative, requirements: left, zone: valuesOf(left, ZONE)[0] ?? alternative.zone };
};

const untried = (
  state: OpenState,
  planned: NodeClaimToAdd,
  isAvailable: IsAvailable,
): readonly Alternative[] =>
  openAlternatives(
    planned,
    poolOf(state, planned),
    attemptsOf(state.plan, planned.metadata.name),
    isAvailable,
  );

/** The alternatives of a planned node that may be ordered now, in order: outside of zones that are shifted away. */
export const openNow = (
  state: OpenState,
  planned: NodeClaimToAdd,
  isAvailable: IsAvailable,
): readonly Alternative[] =>
  untried(state, planned, isAvailable).flatMap((each) => {
    const left = awayFrom(each, state.shiftedZones);
    // Cut, it may be one that is known to be unavailable.
    return left && (left === each || isAnyAvailable(left, isAvailable)) ? [left] : [];
  });

/** Why nothing is left to order for a planned node. */
export const noneLeft = (
  state: OpenState,
  planned: NodeClaimToAdd,
  isAvailable: IsAvailable,
): OrderFailure => {
  const [first] = untried(state, planned, isAvailable);
  const zones = first && valuesOf(first.requirements, ZONE);
  const shifts = state.shiftedZones.filter(({ zone }) => zones?.includes(zone));
  if (shifts.length === 0) return exhausted(planned, attemptsOf(state.plan, planned.metadata.name));
  return {
    failureReason: 'FailureReasonNodeCreateFailed',
    message: `Planned node ${planned.metadata.name} can't be ordered now, as ${shifts.map(shiftText).join(' and ')}: make a new plan, which buys in other zones.`,
  };
};
