import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../api/labels.ts';
import { mustGet } from '../../api/mustget.ts';
import type { NodePool } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { InstanceType } from '../model/catalogue.ts';
import type { Labels } from '../scheduling/nodeaffinity.ts';
import type { CompiledOption } from './compiledoption.ts';
import type { LaunchOption } from './launch/launchoption.ts';
import { type BitMatrix, floatAt, itemAt } from './matrix.ts';

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

/** Tells whether `other` has room for whatever the option may hold and allows every pod class that it allows. */
const substitutes = (
  allowed: BitMatrix,
  keys: readonly string[],
): ((other: CompiledOption, option: CompiledOption) => boolean) => {
  const known = new Map<string, boolean>();
  const allowsAsMuch = (other: number, nodeClass: number): boolean => {
    if (other === nodeClass) return true;
    const id = `${other} ${nodeClass}`;
    let allows = known.get(id);
    if (allows === undefined) {
      allows = true;
      for (let podClass = 0; podClass < allowed.columns && allows; podClass += 1) {
        allows = !allowed.has(nodeClass, podClass) || allowed.has(other, podClass);
      }
      known.set(id, allows);
    }
    return allows;
  };
  return (other, option) =>
    other.room.every((room, d) => room >= floatAt(option.room, d)) &&
    keys.every((key) => other.launchOption.label(key) === option.launchOption.label(key)) &&
    allowsAsMuch(other.nodeClass, option.nodeClass);
};

const hasSameValues = (a: Labels, b: Labels): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([key, value]) => valueAt(b, key) === value);

/** Whether two launch options are of one NodePool with the same values for its open labels. */
export const hasSamePickedLabels = (a: LaunchOption, b: LaunchOption): boolean =>
  a.pool === b.pool && (a.pickedLabels === b.pickedLabels || hasSameValues(a.pickedLabels, b.pickedLabels));

/**
 * The options whose NodeClaim can meet minValues: enough other options can hold whatever such a node holds. `keys` are
 * the topology keys of the pod rules. With `atMost` an option costs what its NodeClaim may come to at most, so that a
 * plan which replaces nodes saves whatever is launched.
 */
export const withMinValues = (
  options: readonly CompiledOption[],
  allowed: BitMatrix,
  keys: readonly string[],
  atMost: boolean,
): CompiledOption[] => {
  const needsOf = new Map<NodePool, ReadonlyMap<string, number>>();
  for (const { launchOption } of options) {
    if (!needsOf.has(launchOption.pool)) needsOf.set(launchOption.pool, minValuesOf(launchOption.pool));
  }
  if ([...needsOf.values()].every((needs) => needs.size === 0)) return [...options];
  const canSubstitute = substitutes(allowed, keys);
  const ordered = [...options].sort((a, b) => a.price - b.price);
  return options.flatMap((option) => {
    const needs = mustGet(needsOf, option.launchOption.pool, 'minValues of NodePool');
    if (needs.size === 0) return option;
    const others = ordered.filter(
      (other) => hasSamePickedLabels(other.launchOption, option.launchOption) && canSubstitute(other, option),
    );
    const most = instanceTypeSetOf(others, needs).at(-1)?.price;
    if (most === undefined) return [];
    return atMost ? { ...option, price: Math.max(most, option.price), most } : option;
  });
};
