import type { Pod } from '../../../api/objects.ts';
import type { InstanceType } from '../../model/catalogue.ts';
import type { ReadRequests } from '../../scheduling/nodeinfo.ts';
import type { Requests } from '../../scheduling/noderesources.ts';

/** What a machine of the type gives to pods of a resource. */
const roomOf = ({ capacity, overhead }: InstanceType, resource: string): number => {
  switch (resource) {
    case 'cpu':
      return capacity.cpu - overhead.cpu;
    case 'memory':
      return capacity.memory - overhead.memory;
    case 'pods':
      return capacity.pods - overhead.pods;
    case 'ephemeral-storage':
      return capacity.ephemeralStorage - overhead.ephemeralStorage;
    default:
      return (capacity.other[resource] ?? 0) - (overhead.other[resource] ?? 0);
  }
};

/** What pods ask for together. */
export const totalOf = (pods: readonly Pod[], requestsOf: ReadRequests): Requests => {
  const total: Requests = new Map();
  for (const pod of pods) {
    for (const [resource, value] of requestsOf(pod)) total.set(resource, (total.get(resource) ?? 0) + value);
  }
  return total;
};

/** The least that any of some types gives of each resource; worked out when it is asked for. */
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
