import { CAPACITY_RESERVATION_ID } from '../../../api/labels.ts';
import type { Requirement } from '../../../api/objects.ts';
import type { Offering } from '../../../planner/model/catalogue.ts';
import { valuesOf } from './alternatives.ts';

/** Ids of the capacity reservations that an order is for. */
export const reservationsOf = (requirements: readonly Requirement[]): readonly string[] =>
  valuesOf(requirements, CAPACITY_RESERVATION_ID);

/** Machines ordered into capacity reservations, which may have filled up since they were planned for. */
export class ReservedOrders {
  readonly #ordered: Map<string, number>;

  /** `underWay` are those that the cloud has not counted yet, by the reservation's id. */
  constructor(underWay: ReadonlyMap<string, number>) {
    this.#ordered = new Map(underWay);
  }

  /** Whether the offering is of no reservation, or of one that has a machine left. */
  hasRoom({ reservation }: Offering): boolean {
    return !reservation || reservation.left > (this.#ordered.get(reservation.id) ?? 0);
  }

  count(requirements: readonly Requirement[]): void {
    for (const id of reservationsOf(requirements)) this.#ordered.set(id, (this.#ordered.get(id) ?? 0) + 1);
  }
}
