import type { DaemonSet, NodePool, Taint } from '../../api/objects.ts';
import type { Covered } from '../model/billing.ts';
import { type InterruptionPolicy, podRiskOf } from '../model/interruption.ts';
import { daemonRequests, daemonsOn } from '../scheduling/daemonset.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { UNLIMITED, VOLUME_SLOTS } from '../scheduling/volumes.ts';
import type { LaunchOption } from './launchoption.ts';
import type { NodeClasses } from './nodeclass.ts';

/** Offers that differ in nothing that pods ask about, but size and price; none is beaten by another. */
export interface CompiledOption {
  readonly launchOption: LaunchOption;
  readonly nodeClass: number;
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
export const compileOptions = (
  launchOptions: readonly LaunchOption[],
  o: {
    readonly dimensions: readonly string[];
    readonly nodeClasses: NodeClasses;
    readonly daemonSets: readonly DaemonSet[];
    readonly mostPods: number;
    readonly interruption: InterruptionPolicy | undefined;
  },
): CompiledOption[] => {
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
  return launchOptions.map((launchOption) => {
    const { allocatable } = launchOption;
    const taints = launchOption.pool.spec.template.spec.taints ?? NO_TAINTS;
    const nodeClass = o.nodeClasses.ofLaunchOption(launchOption, taints);
    let taken = o.daemonSets.length === 0 ? NONE_TAKEN : daemonsOf.get(nodeClass);
    if (!taken) {
      taken = daemonRequests(daemonsOn(o.daemonSets, launchOption.labels, taints));
      daemonsOf.set(nodeClass, taken);
    }
    if (last?.allocatable !== allocatable || last.taken !== taken) {
      last = { allocatable, taken, room: roomOf(allocatable, taken) };
    }
    const { covered, capacityType } = launchOption.offering;
    const podRisk = o.interruption ? podRiskOf(launchOption.type.name, capacityType, o.interruption) : 0;
    const { room } = last;
    return covered
      ? { launchOption, nodeClass, price: launchOption.price, covered, podRisk, room }
      : { launchOption, nodeClass, price: launchOption.price, podRisk, room };
  });
};

/** The columns that have room at all. */
export const withRoom = (options: readonly CompiledOption[]): CompiledOption[] => {
  let last: Float64Array | null = null;
  let isIn = false;
  return options.filter(({ room }) => {
    if (room !== last) {
      last = room;
      isIn = room.every((value) => value >= 0);
    }
    return isIn;
  });
};

const isBeaten = (option: CompiledOption, by: CompiledOption): boolean => {
  if (by.price > option.price || by.podRisk > option.podRisk) return false;
  // What is dearer by its list price may be cheaper while its commitment lasts.
  const isSame = by.covered?.commitment === option.covered?.commitment;
  if (option.covered && (isSame ? (by.covered?.price ?? 0) : by.price) > option.covered.price) return false;
  for (let d = 0; d < option.room.length; d += 1) {
    if ((by.room[d] ?? 0) < (option.room[d] ?? 0)) return false;
  }
  return true;
};

/** Keeps, of each group's columns, those that no other beats in price and room. */
export const prune = (options: CompiledOption[]): CompiledOption[] => {
  const kept = new Map<number, CompiledOption[]>();
  // Zones that pods don't ask about make the same column again.
  const different = options.filter((option, index) => {
    const before = options[index - 1];
    const isSame =
      before?.room === option.room &&
      before.price === option.price &&
      before.nodeClass === option.nodeClass &&
      before.podRisk === option.podRisk &&
      before.covered === option.covered;
    return !isSame;
  });
  const ordered = different.sort((a, b) => a.price - b.price || (b.room[0] ?? 0) - (a.room[0] ?? 0));
  for (const option of ordered) {
    const rivals = kept.get(option.nodeClass) ?? [];
    if (rivals.some((rival) => isBeaten(option, rival))) continue;
    rivals.push(option);
    kept.set(option.nodeClass, rivals);
  }
  return [...kept.values()].flat();
};

export const weightOf = (pool: NodePool): number => pool.spec.weight ?? 0;

/** Leaves each shape, of the nodes to come, those of the heaviest NodePool that has one that holds it. */
export const applyNodePoolWeights = (
  allowed: Uint8Array,
  options: readonly CompiledOption[],
  podClasses: number,
  sizes: Float64Array,
): void => {
  const width = options[0]?.room.length ?? 0;
  for (let podClass = 0; podClass < podClasses; podClass += 1) {
    let heaviest = Number.NEGATIVE_INFINITY;
    for (const option of options) {
      const fits =
        allowed[option.nodeClass * podClasses + podClass] &&
        option.room.every((room, d) => room >= (sizes[podClass * width + d] ?? 0));
      if (fits) heaviest = Math.max(heaviest, weightOf(option.launchOption.pool));
    }
    for (const option of options) {
      if (weightOf(option.launchOption.pool) < heaviest)
        allowed[option.nodeClass * podClasses + podClass] = 0;
    }
  }
};
