import type { Pod } from '../../../api/objects.ts';
import { amountOf, type InstanceType } from '../../model/catalogue.ts';
import type { ReadRequests } from '../../scheduling/nodeinfo.ts';
import type { Requests } from '../../scheduling/noderesources.ts';

/** Allocatable amount of a resource on a machine of the type. */
const roomOf = ({ capacity, overhead }: InstanceType, resource: string): number =>
  amountOf(capacity, resource) - amountOf(overhead, resource);

/** Sum of the pods' requests. */
export const totalOf = (pods: readonly Pod[], requestsOf: ReadRequests): Requests => {
  const total: Requests = new Map();
  for (const pod of pods) {
    for (const [resource, value] of requestsOf(pod)) total.set(resource, (total.get(resource) ?? 0) + value);
  }
  return total;
};

/** Smallest allocatable amount of each resource among several types, computed when it is first needed. */
export class LeastRoom {
  readonly #types: readonly InstanceType[];
  readonly #least = new Map<string, { readonly room: number; readonly type: string }>();

  constructor(types: readonly InstanceType[]) {
    this.#types = types;
  }

  of(resource: string): { readonly room: number; readonly type: string } {
    let least = this.#least.get(resource);
    if (!least) {
      least = { room: Number.POSITIVE_INFINITY, type: '' };
      for (const type of this.#types) {
        const room = roomOf(type, resource);
        if (room < least.room) least = { room, type: type.name };
      }
      this.#least.set(resource, least);
    }
    return least;
  }
}
