import { podName } from '../../../api/pods.ts';
import type { ShiftedZone } from '../../model/catalogue.ts';
import { shiftOf, shiftText } from '../../model/offers/zonalshift.ts';
import type { PlanFault } from './fault.ts';
import type { Place } from './outcome.ts';

/** Checks that no pod is moved to a node whose zone is shifted away. */
export const zonalShiftFaults = (
  places: readonly Place[],
  shiftedZones: readonly ShiftedZone[] | undefined,
): PlanFault[] =>
  places.flatMap(({ node, arrivals }): PlanFault[] => {
    const [first] = arrivals;
    const shift = node && shiftOf(node, shiftedZones);
    if (!first || !shift) return [];
    const { name } = node.metadata;
    const message = `Pod ${podName(first)} can't go to node ${name}: its ${shiftText(shift)}.`;
    return [{ rule: 'ZonalShift', pod: podName(first), node: name, message }];
  });
