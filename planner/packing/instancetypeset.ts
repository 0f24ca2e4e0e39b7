import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../api/labels.ts';
import type { NodePool } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { InstanceType } from '../model/catalogue.ts';
import type { Labels } from '../scheduling/nodeaffinity.ts';
import type { CompiledOption } from './compiledoption.ts';
import type { LaunchOption } from './launch/launchoption.ts';
import { itemAt } from './matrix.ts';

/** The most that another option of a NodeClaim may cost, as a multiple of the planned option's price. */
const PRICE_CAP = 1.2;
/** Instance types in one NodeClaim at most, unless minValues asks for more. */
const MAX_TYPES = 12;
const EPSILON = 1e-9;

/** minValues of a NodePool per label key, where more than one. */
export const minValuesOf = (pool: NodePool): ReadonlyMap<string, number> => {
  const needs = new Map<string, number>();
  for (const { key, minValues } of pool.spec.template.spec.requirements) {
    if (minValues !== undefined && minValues > 1) needs.set(key, Math.max(minValues, needs.get(key) ?? 0));
  }
  return needs;
};

const labelOf = (option: CompiledOption, key: string): string | undefined =>
  key === INSTANCE_TYPE ? option.launchOption.type.name : option.launchOption.label(key);

/** The label keys that the options have too few values of, each with the values that they have. */
const missingValues = (
  options: readonly CompiledOption[],
  needs: ReadonlyMap<string, number>,
): ReadonlyMap<string, ReadonlySet<string>> => {
  const missing = new Map<string, ReadonlySet<string>>();
  for (const [key, least] of needs) {
    const values = new Set<string>();
    for (const option of options) {
      const value = labelOf(option, key);
      if (value !== undefined) values.add(value);
      if (values.size >= least) break;
    }
    if (values.size < least) missing.set(key, values);
  }
  return missing;
};

/** `given` values of a label key, and further ones in the order of the options until there are `least`. */
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

/** Of options in order of cost, those within the price cap of the first. */
export const withinCap = (options: readonly CompiledOption[]): readonly CompiledOption[] => {
  const cap = (options[0]?.price ?? 0) * PRICE_CAP + EPSILON;
  const end = options.findIndex((option) => option.price > cap);
  return end < 0 ? options : options.slice(0, end);
};

/**
 * The options that go into one NodeClaim, from options in order of price: one capacity type, within the price cap, and
 * every type in every zone named, so that no type and zone together cost more. `needs` (minValues) widens the set; it
 * is empty when the options can't meet them.
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
  const types = Map.groupBy(
    alike.filter(({ launchOption }) => zones.includes(launchOption.offering.zone)),
    ({ launchOption }) => launchOption.type.name,
  );
  const chosen: CompiledOption[] = [];
  const others: CompiledOption[][] = [];
  let count = 0;
  for (const sameType of types.values()) {
    const isWhole = sameType.length === zones.length * capacityTypes.length;
    const isFirst = sameType[0]?.launchOption.type === first.launchOption.type;
    if (isFirst || (count < MAX_TYPES && isWhole && sameType.every((option) => option.price <= cap))) {
      chosen.push(...sameType);
      count += 1;
    } else others.push(sameType);
  }
  const missing = missingValues(chosen, needs);
  if (missing.size === 0) return chosen.sort((a, b) => a.price - b.price);
  // The cheapest that add a value come next: where the claim is anyhow, then anywhere, then of other architectures.
  const { arch } = first.launchOption.type;
  const all =
    extendedBy(chosen, others.flat(), needs) ??
    extendedBy(
      chosen,
      alike.filter(({ launchOption }) => launchOption.type.arch === arch),
      needs,
    ) ??
    extendedBy(chosen, alike, needs);
  return (all ?? []).sort((a, b) => a.price - b.price);
};

/** `chosen` and the cheapest of `options` that bring a missing value; undefined when the needs can't be met. */
const extendedBy = (
  chosen: readonly CompiledOption[],
  options: readonly CompiledOption[],
  needs: ReadonlyMap<string, number>,
): CompiledOption[] | undefined => {
  const all = [...chosen];
  let missing = missingValues(all, needs);
  for (const option of options) {
    if (missing.size === 0) break;
    const adds = [...missing].some(([key, values]) => {
      const value = labelOf(option, key);
      return value !== undefined && !values.has(value);
    });
    if (!adds) continue;
    const { type } = option.launchOption;
    all.push(...options.filter((each) => each.launchOption.type === type && !all.includes(each)));
    missing = missingValues(all, needs);
  }
  return missing.size === 0 ? all : undefined;
};

/**
 * The sets that meet `needs`, from options in order of cost: one from the first option of each capacity type, operating
 * system and zone, since the cheapest may have too few like it.
 */
export const setsWithMinValues = (
  options: readonly CompiledOption[],
  needs: ReadonlyMap<string, number>,
): CompiledOption[][] => {
  const starts = new Set<string>();
  return options.flatMap((first) => {
    const { offering, os } = first.launchOption;
    const start = `${offering.capacityType} ${os} ${offering.zone}`;
    if (starts.has(start)) return [];
    starts.add(start);
    const found = instanceTypeSetOf([first, ...options.filter((option) => option !== first)], needs);
    return found.length > 0 ? [found] : [];
  });
};

/**
 * Splits options in order of price into at most `most` instance type sets, each from what the earlier ones leave, for
 * a NodePool without minValues. `next` gives one option a call and is called only as often as needed.
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
    const first = itemAt(seen, from);
    const { type, offering, os } = first.launchOption;
    const isAlike = (index: number): boolean => {
      const { launchOption } = itemAt(seen, index);
      return (
        !isUsed[index] &&
        launchOption.offering.capacityType === offering.capacityType &&
        launchOption.os === os
      );
    };
    const zones: string[] = [];
    for (let index = from; has(index); index += 1) {
      const { price, launchOption } = itemAt(seen, index);
      if (price > first.price + EPSILON) break;
      if (launchOption.type !== type || !isAlike(index) || zones.includes(launchOption.offering.zone))
        continue;
      zones.push(launchOption.offering.zone);
    }
    const cap = first.price * PRICE_CAP + EPSILON;
    const types = new Map<InstanceType, number[]>();
    let last: InstanceType | undefined;
    let ofLast: number[] = [];
    let whole = 0;
    for (let index = from; has(index) && itemAt(seen, index).price <= cap; index += 1) {
      const { launchOption } = itemAt(seen, index);
      if (!isAlike(index) || !zones.includes(launchOption.offering.zone)) continue;
      if (launchOption.type !== last) {
        // The set is full, each type in every zone: the options that follow need not be read.
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
    for (const [other, indices] of types) {
      if (other !== type && (count === MAX_TYPES || indices.length !== zones.length)) continue;
      count += 1;
      for (const index of indices) {
        chosen.push(itemAt(seen, index));
        isUsed[index] = true;
      }
    }
    instanceTypeSets.push(chosen.sort((a, b) => a.price - b.price));
  }
  return instanceTypeSets;
};

const hasSameValues = (a: Labels, b: Labels): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([key, value]) => valueAt(b, key) === value);

/** Whether two launch options are of one NodePool with the same values for its open labels. */
export const hasSamePickedLabels = (a: LaunchOption, b: LaunchOption): boolean =>
  a.pool === b.pool && (a.pickedLabels === b.pickedLabels || hasSameValues(a.pickedLabels, b.pickedLabels));
