import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../api/labels.ts';
import type { NodePool } from '../../api/objects.ts';
import type { InstanceType } from '../model/catalogue.ts';
import type { Labels } from '../scheduling/nodeaffinity.ts';
import type { OfferColumn } from './compiledoption.ts';

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

const labelOf = (column: OfferColumn, key: string): string | undefined =>
  key === INSTANCE_TYPE ? column.offer.type.name : column.offer.label(key);

/** The keys that the columns have too few values of, each with the values that they have. */
const shortOf = (
  columns: readonly OfferColumn[],
  needs: ReadonlyMap<string, number>,
): ReadonlyMap<string, ReadonlySet<string>> => {
  const short = new Map<string, ReadonlySet<string>>();
  for (const [key, least] of needs) {
    const values = new Set<string>();
    for (const column of columns) {
      const value = labelOf(column, key);
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
  columns: readonly OfferColumn[],
  key: string,
  least: number,
): string[] => {
  const values = new Set(given);
  for (const column of columns) {
    if (values.size >= least) break;
    const value = labelOf(column, key);
    if (value !== undefined) values.add(value);
  }
  return [...values];
};

/** Of choices in order of cost, those that a bundle without minValues can take. */
export const withinCap = (choices: readonly OfferColumn[]): readonly OfferColumn[] => {
  const cap = (choices[0]?.price ?? 0) * PRICE_CAP + EPSILON;
  const end = choices.findIndex((column) => column.price > cap);
  return end < 0 ? choices : choices.slice(0, end);
};

/**
 * The columns that go into one claim, from choices in order of price: of one capacity type, within the price cap, and
 * such that every type is to be had in every zone named, so that the cloud can't end with a dearer pair than those
 * meant. `needs` widens them as far as the NodePool's minValues ask; empty when the choices can't meet those.
 */
export const bundle = (
  choices: readonly OfferColumn[],
  needs: ReadonlyMap<string, number>,
): OfferColumn[] => {
  const first = choices[0];
  if (!first) return [];
  const alikeOs = choices.filter((column) => column.offer.os === first.offer.os);
  const capacityTypes = extended(
    [first.offer.offering.capacityType],
    alikeOs,
    KARPENTER_CAPACITY_TYPE,
    needs.get(KARPENTER_CAPACITY_TYPE) ?? 1,
  );
  const alike = alikeOs.filter((column) => capacityTypes.includes(column.offer.offering.capacityType));
  const cap = first.price * PRICE_CAP + EPSILON;
  const cheapest = alike
    .filter((column) => column.offer.type === first.offer.type && column.price <= first.price + EPSILON)
    .map((column) => column.offer.offering.zone);
  const zones = extended(cheapest, alike, ZONE, needs.get(ZONE) ?? 1);
  const types = new Map<string, OfferColumn[]>();
  for (const column of alike) {
    if (!zones.includes(column.offer.offering.zone)) continue;
    const name = column.offer.type.name;
    const columns = types.get(name);
    if (columns) columns.push(column);
    else types.set(name, [column]);
  }
  const chosen: OfferColumn[] = [];
  const rest: OfferColumn[][] = [];
  let count = 0;
  for (const columns of types.values()) {
    const isWhole = columns.length === zones.length * capacityTypes.length;
    const isFirst = columns[0]?.offer.type === first.offer.type;
    if (isFirst || (count < MAX_TYPES && isWhole && columns.every((column) => column.price <= cap))) {
      chosen.push(...columns);
      count += 1;
    } else rest.push(columns);
  }
  let short = shortOf(chosen, needs);
  for (const columns of rest) {
    if (short.size === 0) break;
    const adds = [...short].some(([key, values]) =>
      columns.some((column) => {
        const value = labelOf(column, key);
        return value !== undefined && !values.has(value);
      }),
    );
    if (!adds) continue;
    chosen.push(...columns);
    short = shortOf(chosen, needs);
  }
  return short.size > 0 ? [] : chosen.sort((a, b) => a.price - b.price);
};

/**
 * The same, one bundle after the other, each from what those before it leave, for a NodePool without minValues: at most
 * `most` of them. `next` gives the choices in order of price, and is asked only for as many as are looked at.
 */
export const plainBundles = (next: () => OfferColumn | undefined, most: number): OfferColumn[][] => {
  const bundles: OfferColumn[][] = [];
  const seen: OfferColumn[] = [];
  const isUsed: boolean[] = [];
  let from = 0;
  let isEnd = false;
  const has = (index: number): boolean => {
    while (!isEnd && index >= seen.length) {
      const column = next();
      if (column) seen.push(column);
      else isEnd = true;
    }
    return index < seen.length;
  };
  while (bundles.length < most) {
    while (from < seen.length && isUsed[from]) from += 1;
    if (!has(from)) break;
    const first = seen[from] as OfferColumn;
    const { type, offering, os } = first.offer;
    const isAlike = (index: number): boolean => {
      const { offer } = seen[index] as OfferColumn;
      return !isUsed[index] && offer.offering.capacityType === offering.capacityType && offer.os === os;
    };
    const zones: string[] = [];
    for (let index = from; has(index); index += 1) {
      const { price, offer } = seen[index] as OfferColumn;
      if (price > first.price + EPSILON) break;
      if (offer.type !== type || !isAlike(index) || zones.includes(offer.offering.zone)) continue;
      zones.push(offer.offering.zone);
    }
    const cap = first.price * PRICE_CAP + EPSILON;
    const types = new Map<InstanceType, number[]>();
    let last: InstanceType | null = null;
    let ofLast: number[] = [];
    let whole = 0;
    for (let index = from; has(index) && (seen[index] as OfferColumn).price <= cap; index += 1) {
      const { offer } = seen[index] as OfferColumn;
      if (!isAlike(index) || !zones.includes(offer.offering.zone)) continue;
      if (offer.type !== last) {
        // As many as a bundle takes, each in every zone: those that follow are not looked at.
        if (whole === MAX_TYPES && types.size === MAX_TYPES) break;
        last = offer.type;
        ofLast = types.get(last) ?? [];
        types.set(last, ofLast);
      }
      ofLast.push(index);
      if (ofLast.length === zones.length) whole += 1;
    }
    const chosen: OfferColumn[] = [];
    let count = 0;
    for (const [each, indices] of types) {
      if (each !== type && (count === MAX_TYPES || indices.length !== zones.length)) continue;
      count += 1;
      for (const index of indices) {
        chosen.push(seen[index] as OfferColumn);
        isUsed[index] = true;
      }
    }
    bundles.push(chosen.sort((a, b) => a.price - b.price));
  }
  return bundles;
};

const holdsAllThat = (
  allowed: Uint8Array,
  shapes: number,
  keys: readonly string[],
): ((other: OfferColumn, column: OfferColumn) => boolean) => {
  const wider = new Map<string, boolean>();
  const isAsOpen = (other: number, group: number): boolean => {
    if (other === group) return true;
    const id = `${other} ${group}`;
    let is = wider.get(id);
    if (is === undefined) {
      is = true;
      for (let shape = 0; shape < shapes && is; shape += 1) {
        is = !allowed[group * shapes + shape] || allowed[other * shapes + shape] === 1;
      }
      wider.set(id, is);
    }
    return is;
  };
  return (other, column) =>
    other.room.every((room, d) => room >= (column.room[d] ?? 0)) &&
    keys.every((key) => other.offer.label(key) === column.offer.label(key)) &&
    isAsOpen(other.group, column.group);
};

const hasSameValues = (a: Labels, b: Labels): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([key, value]) => b[key] === value);

/** Whether two offers come from one NodePool with the same values picked for its open labels. */
export const isSamePick = (a: OfferColumn['offer'], b: OfferColumn['offer']): boolean =>
  a.pool === b.pool && (a.picked === b.picked || hasSameValues(a.picked, b.picked));

/**
 * Leaves out columns whose claim could not meet minValues: whatever such a node carries, too few others would hold it.
 * `keys` are the topology keys that rules look at.
 */
export const withMinValues = (
  columns: readonly OfferColumn[],
  allowed: Uint8Array,
  shapes: number,
  keys: readonly string[],
): OfferColumn[] => {
  const needsOf = new Map<NodePool, ReadonlyMap<string, number>>();
  for (const { offer } of columns) {
    if (!needsOf.has(offer.pool)) needsOf.set(offer.pool, minValuesOf(offer.pool));
  }
  if ([...needsOf.values()].every((needs) => needs.size === 0)) return [...columns];
  const holds = holdsAllThat(allowed, shapes, keys);
  const ordered = [...columns].sort((a, b) => a.price - b.price);
  return columns.filter((column) => {
    const needs = needsOf.get(column.offer.pool) ?? new Map();
    if (needs.size === 0) return true;
    const others = ordered.filter((other) => isSamePick(other.offer, column.offer) && holds(other, column));
    return bundle(others, needs).length > 0;
  });
};
