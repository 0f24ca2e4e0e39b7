import type { DaemonSet, NodePool, Taint } from '../../api/objects.ts';
import type { Covered } from '../model/billing.ts';
import { type InterruptionPolicy, podRiskOf } from '../model/interruption.ts';
import { daemonRequests, daemonSetsOn } from '../scheduling/daemonset.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { UNLIMITED, VOLUME_SLOTS } from '../scheduling/volumes.ts';
import type { LaunchOption } from './launch/launchoption.ts';
import { type BitMatrix, floatAt, type Matrix } from './matrix.ts';
import type { NodeClasses } from './nodeclass.ts';

/** A launch option in numbers. */
export interface CompiledOption {
  readonly launchOption: LaunchOption;
  readonly nodeClass: number;
  /** USD per hour beyond every commitment. */
  readonly price: number;
  /** The price that the NodeClaim may come to at most, where it takes the place of others and minValues widen it. */
  readonly most?: number;
  /** The price while a commitment covers the node; absent when none does. */
  readonly covered?: Covered;
  /** What the risk of an interruption adds per pod, in USD per hour. */
  readonly podRisk: number;
  /** Room for pods beside the DaemonSets' pods, per dimension. */
  readonly room: Float64Array;
}

const NO_TAINTS: readonly Taint[] = [];
const NO_REQUESTS: Requests = new Map();

/** Compiles launch options; `mostPods` is how many pods one node may hold beside those of DaemonSets. */
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
  const roomOf = (allocatable: Requests, daemons: Requests): Float64Array => {
    const room = new Float64Array(o.dimensions.length);
    o.dimensions.forEach((resource, d) => {
      if (resource.startsWith(VOLUME_SLOTS)) room[d] = allocatable.get(resource) ?? UNLIMITED;
      else {
        const left = (allocatable.get(resource) ?? 0) - (daemons.get(resource) ?? 0);
        room[d] = resource === 'pods' ? Math.min(left, o.mostPods) : left;
      }
    });
    return room;
  };
  // Options of one type follow each other and share one room where the same DaemonSets run on them.
  let last:
    | { readonly allocatable: Requests; readonly daemons: Requests; readonly room: Float64Array }
    | undefined;
  return launchOptions.map((launchOption) => {
    const { allocatable } = launchOption;
    const taints = launchOption.pool.spec.template.spec.taints ?? NO_TAINTS;
    const nodeClass = o.nodeClasses.ofLaunchOption(launchOption, taints);
    let daemons = o.daemonSets.length === 0 ? NO_REQUESTS : daemonsOf.get(nodeClass);
    if (!daemons) {
      daemons = daemonRequests(daemonSetsOn(o.daemonSets, launchOption.labels, taints));
      daemonsOf.set(nodeClass, daemons);
    }
    if (last?.allocatable !== allocatable || last.daemons !== daemons) {
      last = { allocatable, daemons, room: roomOf(allocatable, daemons) };
    }
    const { covered, capacityType } = launchOption.offering;
    const podRisk = o.interruption ? podRiskOf(launchOption.type.name, capacityType, o.interruption) : 0;
    const { room } = last;
    return covered
      ? { launchOption, nodeClass, price: launchOption.price, covered, podRisk, room }
      : { launchOption, nodeClass, price: launchOption.price, podRisk, room };
  });
};

/** The options that have room beside their DaemonSets. */
export const withRoom = (options: readonly CompiledOption[]): CompiledOption[] => {
  let last: Float64Array | undefined;
  let hasRoom = false;
  return options.filter(({ room }) => {
    if (room !== last) {
      last = room;
      hasRoom = room.every((value) => value >= 0);
    }
    return hasRoom;
  });
};

/** Whether `by` costs no more than the option, whatever commitments are left, and has at least as much room. */
const isDominated = (option: CompiledOption, by: CompiledOption): boolean => {
  // What is reserved comes to an end: what costs more is bought then.
  if (by.launchOption.offering.reservation) return false;
  if (by.price > option.price || by.podRisk > option.podRisk) return false;
  const { covered } = option;
  if (covered) {
    // An option with a higher list price may be cheaper while a commitment covers it.
    const same = by.covered?.commitment === covered.commitment ? by.covered : undefined;
    if ((same ?? by).price > covered.price) return false;
    if (same && (same.uses ?? 0) > (covered.uses ?? 0)) return false;
  }
  for (let d = 0; d < option.room.length; d += 1) {
    if (floatAt(by.room, d) < floatAt(option.room, d)) return false;
  }
  return true;
};

/**
 * Keeps, of each node class, the options that no cheaper one dominates. Of equal price and CPU, the one with less memory
 * may stay too.
 */
export const prune = (options: readonly CompiledOption[]): CompiledOption[] => {
  const kept = new Map<number, CompiledOption[]>();
  // Zones that no pod selects repeat the same option.
  const different = options.filter((option, index) => {
    const before = options[index - 1];
    const isSame =
      before?.room === option.room &&
      before.price === option.price &&
      before.nodeClass === option.nodeClass &&
      before.podRisk === option.podRisk &&
      before.launchOption.offering.reservation === option.launchOption.offering.reservation &&
      before.covered === option.covered;
    return !isSame;
  });
  different.sort((a, b) => a.price - b.price || floatAt(b.room, 0) - floatAt(a.room, 0));
  for (const option of different) {
    const rivals = kept.get(option.nodeClass) ?? [];
    if (rivals.some((rival) => isDominated(option, rival))) continue;
    rivals.push(option);
    kept.set(option.nodeClass, rivals);
  }
  return [...kept.values()].flat();
};

export const weightOf = (pool: NodePool): number => pool.spec.weight ?? 0;

/**
 * Per pod class, forbids new nodes of every NodePool lighter (spec.weight) than the heaviest one that can hold it.
 * `sizes` is pod classes × dimensions.
 */
export const applyNodePoolWeights = (
  allowed: BitMatrix,
  options: readonly CompiledOption[],
  sizes: Matrix,
): void => {
  for (let podClass = 0; podClass < allowed.columns; podClass += 1) {
    const size = sizes.row(podClass);
    let heaviest = Number.NEGATIVE_INFINITY;
    for (const { nodeClass, room, launchOption } of options) {
      const fits = allowed.has(nodeClass, podClass) && room.every((free, d) => free >= floatAt(size, d));
      if (fits) heaviest = Math.max(heaviest, weightOf(launchOption.pool));
    }
    for (const { nodeClass, launchOption } of options) {
      if (weightOf(launchOption.pool) < heaviest) allowed.set(nodeClass, podClass, false);
    }
  }
};
