import type { PlanFault } from './fault.ts';
import type { PlannedClaim } from './planned.ts';

/**
 * Checks that each claim is of one reservation or of none, that only its first choice is of one, and that a plan asks no
 * reservation for more machines than are left of it.
 */
export const reservationFaults = (claims: Iterable<PlannedClaim>): PlanFault[] => {
  const faults: PlanFault[] = [];
  const asked = new Map<string, { count: number; left: number }>();
  for (const { place, reservations } of claims) {
    const claim = place.name;
    reservations.forEach((all, index) => {
      const ofOne = [...all].flatMap((each) => each ?? []);
      if (ofOne.length === 0) return;
      if (index > 0 || all.size > 1) {
        const message = `NodeClaim ${claim} may be launched into reservation ${ofOne[0]?.id} without being counted for it.`;
        faults.push({ rule: 'ReservedCapacity', claim, message });
      }
      for (const { id, left } of index === 0 ? ofOne : []) {
        const count = (asked.get(id)?.count ?? 0) + 1;
        asked.set(id, { count, left });
      }
    });
  }
  for (const [id, { count, left }] of asked) {
    if (count <= left) continue;
    const message = `The plan asks reservation ${id} for ${count} machines, and ${left} are left of it.`;
    faults.push({ rule: 'ReservedCapacity', message });
  }
  return faults;
};
