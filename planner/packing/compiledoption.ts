import type { DaemonSet, NodePool, Taint } from '../../api/objects.ts';
import type { Covered } from '../model/billing.ts';
import { type InterruptionPolicy, podRiskOf } from '../model/interruption.ts';
import { daemonRequests, daemonSetsOn } from '../scheduling/daemonset.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { UNLIMITED, VOLUME_SLOTS } from '../scheduling/volumes.ts';
import type { Offer } from './launchoption.ts';
import type { Groups } from './nodeclass.ts';

/** Offers that differ in nothing that pods ask about, but size and price; none is beaten by another. */
export interface OfferColumn {
  readonly offer: Offer;
  readonly group: number;
  /** USD per hour beyond every commitment. */
  readonly price: number;
  /** What a commitment makes of the price while it lasts. */
  readonly covered?: Covered;
  /** What the risk of an interruption adds for each pod, in USD per hour. */
  readonly podRisk: number;
  /** What is left for pods once DaemonSets are on, per dimension. */
  readonly room: Float64Array;
}

const NO_TAINTS: readonly Taint[] = [];
const NONE_TAKEN: Requests = new Map();

/** The offers in numbers; `mostPods` is what one node may hold of pods that are no DaemonSet's. */
export const columnsOf = (
  offers: readonly Offer[],
  o: {
    readonly dimensions: readonly string[];
    readonly groups: Groups;
    readonly daemonSets: readonly DaemonSet[];
    readonly mostPods: number;
    readonly interruption: InterruptionPolicy | undefined;
  },
): OfferColumn[] => {
  const daemonsOf = new Map<number, Requests>();
  const roomOf = (allocatable: Requests, taken: Requests): Float64Array => {
    const room = new Float64Array(o.dimensions.length);
    o.dimensions.forEach((resource, d) => {
      if (resource.startsWith(VOLUME_SLOTS)) room[d] = UNLIMITED;
      else {
        const left = (allocatable.get(resource) ?? 0) - (taken.get(resource) ?? 0);
        room[d] = resource === 'pods' ? Math.min(left, o.mostPods) : left;
      }
    });
    return room;
  };
  // Offers of one type follow each other, and have one room wherever they carry the same DaemonSets.
  let last: { readonly allocatable: Requests; readonly taken: Requests; readonly room: Float64Array } | null =
    null;
  return offers.map((offer) => {
    const { allocatable } = offer;
    const taints = offer.pool.spec.template.spec.taints ?? NO_TAINTS;
    const group = o.groups.ofOffer(offer, taints);
    let taken = o.daemonSets.length === 0 ? NONE_TAKEN : daemonsOf.get(group);
    if (!taken) {
      taken = daemonRequests(daemonSetsOn(o.daemonSets, offer.labels, taints));
      daemonsOf.set(group, taken);
    }
    if (last?.allocatable !== allocatable || last.taken !== taken) {
      last = { allocatable, taken, room: roomOf(allocatable, taken) };
    }
    const { covered, capacityType } = offer.offering;
    const podRisk = o.interruption ? podRiskOf(offer.type.name, capacityType, o.interruption) : 0;
    const { room } = last;
    return covered
      ? { offer, group, price: offer.price, covered, podRisk, room }
      : { offer, group, price: offer.price, podRisk, room };
  });
};

/** The columns that have room at all. */
export const withRoom = (columns: readonly OfferColumn[]): OfferColumn[] => {
  let last: Float64Array | null = null;
  let isIn = false;
  return columns.filter(({ room }) => {
    if (room !== last) {
      last = room;
      isIn = room.every((value) => value >= 0);
    }
    return isIn;
  });
};

const isBeaten = (column: OfferColumn, by: OfferColumn): boolean => {
  if (by.price > column.price || by.podRisk > column.podRisk) return false;
  // What is dearer by its list price may be cheaper while its commitment lasts.
  const isSame = by.covered?.commitment === column.covered?.commitment;
  if (column.covered && (isSame ? (by.covered?.price ?? 0) : by.price) > column.covered.price) return false;
  for (let d = 0; d < column.room.length; d += 1) {
    if ((by.room[d] ?? 0) < (column.room[d] ?? 0)) return false;
  }
  return true;
};

/** Keeps, of each group's columns, those that no other beats in price and room. */
export const prune = (columns: OfferColumn[]): OfferColumn[] => {
  const kept = new Map<number, OfferColumn[]>();
  // Zones that pods don't ask about make the same column again.
  const different = columns.filter((column, index) => {
    const before = columns[index - 1];
    const isSame =
      before?.room === column.room &&
      before.price === column.price &&
      before.group === column.group &&
      before.podRisk === column.podRisk &&
      before.covered === column.covered;
    return !isSame;
  });
  const ordered = different.sort((a, b) => a.price - b.price || (b.room[0] ?? 0) - (a.room[0] ?? 0));
  for (const column of ordered) {
    const rivals = kept.get(column.group) ?? [];
    if (rivals.some((rival) => isBeaten(column, rival))) continue;
    rivals.push(column);
    kept.set(column.group, rivals);
  }
  return [...kept.values()].flat();
};

export const weightOf = (pool: NodePool): number => pool.spec.weight ?? 0;

/** Leaves each shape, of the nodes to come, those of the heaviest NodePool that has one that holds it. */
export const preferHeavy = (
  allowed: Uint8Array,
  columns: readonly OfferColumn[],
  shapes: number,
  sizes: Float64Array,
): void => {
  const width = columns[0]?.room.length ?? 0;
  for (let shape = 0; shape < shapes; shape += 1) {
    let heaviest = Number.NEGATIVE_INFINITY;
    for (const column of columns) {
      const fits =
        allowed[column.group * shapes + shape] &&
        column.room.every((room, d) => room >= (sizes[shape * width + d] ?? 0));
      if (fits) heaviest = Math.max(heaviest, weightOf(column.offer.pool));
    }
    for (const column of columns) {
      if (weightOf(column.offer.pool) < heaviest) allowed[column.group * shapes + shape] = 0;
    }
  }
};
