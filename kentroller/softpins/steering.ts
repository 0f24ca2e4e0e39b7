import type { Intent } from '../../api/pinning.ts';

/**
 * Nodes that new pods of one owner are drawn to at a time. A pod tolerates each of their reservations one by one, and those
 * that have filled up make room for the next.
 */
export const MOST_NODES = 8;
/** etcd refuses objects above 1.5 MiB, and keys are stored a second time among the fields of their writer. */
export const MOST_BYTES = 700_000;
/** Least weight of a preference: the heaviest is worth 100, and a node that the plan has nothing for is worth 0. */
const LEAST_WEIGHT = 50;

/** A pin intent for an owner's pods. */
type Slots = Pick<Intent, 'nodeName' | 'nodeClaim' | 'pin'>;

/** A node with room for pods of an owner, which the plan has reserved under this value, or not at all. */
interface Place {
  readonly node: string;
  readonly free: number;
  readonly reservation: string | undefined;
}

/** The key of an owner: any pod may name its uid, in any namespace. */
export const ownerEntry = (namespace: string, uid: string): string => `${namespace}.${uid}`;

const textOf = (places: readonly Place[]): string => {
  const most = Math.max(...places.map(({ free }) => free));
  return places
    .map(({ node, free, reservation }) => {
      const weight = LEAST_WEIGHT + Math.round(((100 - LEAST_WEIGHT) * free) / most);
      return [weight, node, ...(reservation === undefined ? [] : [reservation])].join(' ');
    })
    .join(',');
};

export interface Steering {
  /** What the policy reads, by owner; manifests/components/soft-pins has the shape. */
  readonly owners: Readonly<Record<string, string>>;
  /** Owners with free slots that no room was left for: their pods are placed as if there were no plan. */
  readonly leftOut: number;
}

/**
 * What draws new pods to a plan's nodes: for each owner the nodes with most free slots. `reservationOf` gives the value that
 * reserves a NodeClaim's node, `taken` how many live pods of an owner a node has. Where not all owners fit, those with most
 * free slots come first.
 */
export const steeringOf = (
  slots: readonly Slots[],
  o: {
    readonly reservationOf: (nodeClaim: string) => string | undefined;
    readonly taken: (node: string, namespace: string, uid: string) => number;
    readonly mostBytes?: number;
  },
): Steering => {
  const placesByOwner = new Map<string, Place[]>();
  for (const { nodeName, nodeClaim, pin } of slots) {
    if (!pin?.owner || nodeName === '') continue;
    const { uid, count } = pin.owner;
    const free = count - o.taken(nodeName, pin.namespace, uid);
    if (free <= 0) continue;
    const entry = ownerEntry(pin.namespace, uid);
    const places = placesByOwner.get(entry) ?? [];
    places.push({ node: nodeName, free, reservation: o.reservationOf(nodeClaim) });
    placesByOwner.set(entry, places);
  }
  const all = [...placesByOwner].map(([entry, places]) => ({
    entry,
    free: places.reduce((sum, place) => sum + place.free, 0),
    text: textOf(
      places.toSorted((a, b) => b.free - a.free || (a.node < b.node ? -1 : 1)).slice(0, MOST_NODES),
    ),
  }));
  const texts = new Map<string, string>();
  let bytes = 0;
  let leftOut = 0;
  for (const { entry, text } of all.toSorted((a, b) => b.free - a.free || (a.entry < b.entry ? -1 : 1))) {
    // A key stands in the object and among the fields of its writer.
    const size = 2 * entry.length + text.length;
    if (bytes + size > (o.mostBytes ?? MOST_BYTES)) leftOut += 1;
    else {
      bytes += size;
      texts.set(entry, text);
    }
  }
  return { owners: Object.fromEntries(texts), leftOut };
};
