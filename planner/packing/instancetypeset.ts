import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../api/labels.ts';
import type { NodePool } from '../../api/objects.ts';
import type { InstanceType } from '../model/catalogue.ts';
import type { Labels } from '../scheduling/nodeaffinity.ts';
import type { CompiledOption } from './compiledoption.ts';
import type { LaunchOption } from './launchoption.ts';

/** How much dearer than the plan's own choice another choice of the same claim may be. */
const PRICE_CAP = 1.2;
const MAX_TYPES = 12;
const EPSILON = 1e-9;

/** How many values of each label a NodePool wants among the choices of one claim, where more than one. */
export const minValuesOf = (pool: NodePool): ReadonlyMap<string, number> => {
  const needs = new Map<string, number>();
  for (const { key, minValues } of pool.spec.template.spec.requirements) {
    if (minValues !== undefined && minValues > 1) needs.set(key, Math.max(minValues, needs.get(key) ?? 0));
  }
  return needs;
};

const labelOf = (option: CompiledOption, key: string): string | undefined =>
  key === INSTANCE_TYPE ? option.launchOption.type.name : option.launchOption.label(key);

/** The keys that the columns have too few values of, each with the values that they have. */
const missingValues = (
  options: readonly CompiledOption[],
  needs: ReadonlyMap<string, number>,
): ReadonlyMap<string, ReadonlySet<string>> => {
  const short = new Map<string, ReadonlySet<string>>();
  for (const [key, least] of needs) {
    const values = new Set<string>();
    for (const option of options) {
      const value = labelOf(option, key);
      if (value !== undefined) values.add(value);
      if (values.size >= least) break;
    }
    if (values.size < least) short.set(key, values);
  }
  return short;
};

/** The first values of a key, in the order of the columns: those given, and as many more as it takes. */
const extended = (
  given: readonly string[],
  options: readonly CompiledOption[],
  key: string,
  least: number,
): string[] => {
  const values = new Set(given);
  for (const option of options) {
    if (values.size >= least) break;
    const value = labelOf(option, key);
    if (value !== undefined) values.add(value);
  }
  return [...values];
};

/** Of choices in order of cost, those that a bundle without minValues can take. */
export const withinCap = (options: readonly CompiledOption[]): readonly CompiledOption[] => {
  const cap = (options[0]?.price ?? 0) * PRICE_CAP + EPSILON;
  const end = options.findIndex((option) => option.price > cap);
  return end < 0 ? options : options.slice(0, end);
};

/**
 * The columns that go into one claim, from choices in order of price: of one capacity type, within the price cap, and
 * such that every type is to be had in every zone named, so that the cloud can't end with a dearer pair than those
 * meant. `needs` widens them as far as the NodePool's minValues ask; empty when the choices can't meet those.
 */
export const instanceTypeSetOf = (
  options: readonly CompiledOption[],
  needs: ReadonlyMap<string, number>,
): CompiledOption[] => {
  const first = options[0];
  if (!first) return [];
  const alikeOs = options.filter((option) => option.launchOption.os === first.launchOption.os);
  const capacityTypes = extended(
    [first.launchOption.offering.capacityType],
    alikeOs,
    KARPENTER_CAPACITY_TYPE,
    needs.get(KARPENTER_CAPACITY_TYPE) ?? 1,
  );
  const alike = alikeOs.filter((option) => capacityTypes.includes(option.launchOption.offering.capacityType));
  const cap = first.price * PRICE_CAP + EPSILON;
  const cheapest = alike
    .filter(
      (option) =>
        option.launchOption.type === first.launchOption.type && option.price <= first.price + EPSILON,
    )
    .map((option) => option.launchOption.offering.zone);
  const zones = extended(cheapest, alike, ZONE, needs.get(ZONE) ?? 1);
  const types = new Map<string, CompiledOption[]>();
  for (const option of alike) {
    if (!zones.includes(option.launchOption.offering.zone)) continue;
    const name = option.launchOption.type.name;
    const options = types.get(name);
    if (options) options.push(option);
    else types.set(name, [option]);
  }
  const chosen: CompiledOption[] = [];
  const rest: CompiledOption[][] = [];
  let count = 0;
  for (const options of types.values()) {
    const isWhole = options.length === zones.length * capacityTypes.length;
    const isFirst = options[0]?.launchOption.type === first.launchOption.type;
    if (isFirst || (count < MAX_TYPES && isWhole && options.every((option) => option.price <= cap))) {
      chosen.push(...options);
      count += 1;
    } else rest.push(options);
  }
  let short = missingValues(chosen, needs);
  for (const options of rest) {
    if (short.size === 0) break;
    const adds = [...short].some(([key, values]) =>
      options.some((option) => {
        const value = labelOf(option, key);
        return value !== undefined && !values.has(value);
      }),
    );
    if (!adds) continue;
    chosen.push(...options);
    short = missingValues(chosen, needs);
  }
  return short.size > 0 ? [] : chosen.sort((a, b) => a.price - b.price);
};

/**
 * The same, one bundle after the other, each from what those before it leave, for a NodePool without minValues: at most
 * `most` of them. `next` gives the choices in order of price, and is asked only for as many as are looked at.
 */
export const instanceTypeSetsByPrice = (
  next: () => CompiledOption | undefined,
  most: number,
): CompiledOption[][] => {
  const instanceTypeSets: CompiledOption[][] = [];
  const seen: CompiledOption[] = [];
  const isUsed: boolean[] = [];
  let from = 0;
  let isEnd = false;
  const has = (index: number): boolean => {
    while (!isEnd && index >= seen.length) {
      const option = next();
      if (option) seen.push(option);
      else isEnd = true;
    }
    return index < seen.length;
  };
  while (instanceTypeSets.length < most) {
    while (from < seen.length && isUsed[from]) from += 1;
    if (!has(from)) break;
    const first = seen[from] as CompiledOption;
    const { type, offering, os } = first.launchOption;
    const isAlike = (index: number): boolean => {
      const { launchOption } = seen[index] as CompiledOption;
      return (
        !isUsed[index] &&
        launchOption.offering.capacityType === offering.capacityType &&
        launchOption.os === os
      );
    };
    const zones: string[] = [];
    for (let index = from; has(index); index += 1) {
      const { price, launchOption } = seen[index] as CompiledOption;
      if (price > first.price + EPSILON) break;
      if (launchOption.type !== type || !isAlike(index) || zones.includes(launchOption.offering.zone))
        continue;
      zones.push(launchOption.offering.zone);
    }
    const cap = first.price * PRICE_CAP + EPSILON;
    const types = new Map<InstanceType, number[]>();
    let last: InstanceType | null = null;
    let ofLast: number[] = [];
    let whole = 0;
    for (let index = from; has(index) && (seen[index] as CompiledOption).price <= cap; index += 1) {
      const { launchOption } = seen[index] as CompiledOption;
      if (!isAlike(index) || !zones.includes(launchOption.offering.zone)) continue;
      if (launchOption.type !== last) {
        // As many as a bundle takes, each in every zone: those that follow are not looked at.
        if (whole === MAX_TYPES && types.size === MAX_TYPES) break;
        last = launchOption.type;
        ofLast = types.get(last) ?? [];
        types.set(last, ofLast);
      }
      ofLast.push(index);
      if (ofLast.length === zones.length) whole += 1;
    }
    const chosen: CompiledOption[] = [];
    let count = 0;
    for (const [each, indices] of types) {
      if (each !== type && (count === MAX_TYPES || indices.length !== zones.length)) continue;
      count += 1;
      for (const index of indices) {
        chosen.push(seen[index] as CompiledOption);
        isUsed[index] = true;
      }
    }
    instanceTypeSets.push(chosen.sort((a, b) => a.price - b.price));
  }
  return instanceTypeSets;
};

const holdsAllThat = (
  allowed: Uint8Array,
  podClasses: number,
  keys: readonly string[],
): ((other: CompiledOption, option: CompiledOption) => boolean) => {
  const wider = new Map<string, boolean>();
  const isAsOpen = (other: number, nodeClass: number): boolean => {
    if (other === nodeClass) return true;
    const id = `${other} ${nodeClass}`;
    let is = wider.get(id);
    if (is === undefined) {
      is = true;
      for (let podClass = 0; podClass < podClasses && is; podClass += 1) {
        is = !allowed[nodeClass * podClasses + podClass] || allowed[other * podClasses + podClass] === 1;
      }
      wider.set(id, is);
    }
    return is;
  };
  return (other, option) =>
    other.room.every((room, d) => room >= (option.room[d] ?? 0)) &&
    keys.every((key) => other.launchOption.label(key) === option.launchOption.label(key)) &&
    isAsOpen(other.nodeClass, option.nodeClass);
};

const hasSameValues = (a: Labels, b: Labels): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([key, value]) => b[key] === value);

/** Whether two offers come from one NodePool with the same values picked for its open labels. */
export const hasSamePickedLabels = (a: LaunchOption, b: LaunchOption): boolean =>
  a.pool === b.pool && (a.pickedLabels === b.pickedLabels || hasSameValues(a.pickedLabels, b.pickedLabels));

/**
 * Leaves out columns whose claim could not meet minValues: whatever such a node carries, too few others would hold it.
 * `keys` are the topology keys that rules look at.
 */
export const withMinValues = (
  options: readonly CompiledOption[],
  allowed: Uint8Array,
  podClasses: number,
  keys: readonly string[],
): CompiledOption[] => {
  const needsOf = new Map<NodePool, ReadonlyMap<string, number>>();
  for (const { launchOption } of options) {
    if (!needsOf.has(launchOption.pool)) needsOf.set(launchOption.pool, minValuesOf(launchOption.pool));
  }
  if ([...needsOf.values()].every((needs) => needs.size === 0)) return [...options];
  const holds = holdsAllThat(allowed, podClasses, keys);
  const ordered = [...options].sort((a, b) => a.price - b.price);
  return options.filter((option) => {
    const needs = needsOf.get(option.launchOption.pool) ?? new Map();
    if (needs.size === 0) return true;
    const others = ordered.filter(
      (other) => hasSamePickedLabels(other.launchOption, option.launchOption) && holds(other, option),
    );
    return instanceTypeSetOf(others, needs).length > 0;
  });
};
