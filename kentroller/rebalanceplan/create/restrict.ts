import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../../api/labels.ts';
import type { Requirement } from '../../../api/objects.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { TypeOffering } from '../../../planner/cluster/allowedofferings.ts';
import type { InstanceType } from '../../../planner/model/catalogue.ts';
import type { Offerings } from '../../cloud/offerings.ts';
import { type Alternative, valuesOf } from './alternatives.ts';

/** Karpenter orders from no more instance types than these (maxInstanceTypes of its AWS provider). */
const MAX_TYPES = 60;

/** An alternative whose requirements allow nothing but what may be ordered. */
export interface Restricted {
  readonly alternative: Alternative;
  readonly types: readonly InstanceType[];
  /** USD per hour of the dearest offering that Karpenter may pick. */
  readonly dearest: number;
}

interface Block {
  readonly types: readonly string[];
  readonly zones: readonly string[];
  readonly capacityTypes: readonly string[];
}

const keyOf = (type: string, zone: string, capacityType: string): string => `${type}/${zone}/${capacityType}`;

const distinct = (values: Iterable<string>): string[] => [...new Set(values)];

const prefixes = (values: readonly string[]): readonly (readonly string[])[] =>
  values.map((_, at) => values.slice(0, at + 1));

const sizeOf = ({ types, zones, capacityTypes }: Block): number =>
  types.length * zones.length * capacityTypes.length;

/** Whether a block has the number of values that each minValues asks for. */
const meetsMinValues = (block: Block, requirements: readonly Requirement[], offerings: Offerings): boolean =>
  requirements.every(({ key, minValues = 0 }) => {
    if (minValues <= 1) return true;
    if (key === INSTANCE_TYPE) return block.types.length >= minValues;
    if (key === ZONE) return block.zones.length >= minValues;
    if (key === KARPENTER_CAPACITY_TYPE) return block.capacityTypes.length >= minValues;
    const values = block.types.flatMap((name) => valueAt(offerings.type(name)?.labels, key) ?? []);
    return new Set(values).size >= minValues;
  });

/** The requirements with one list of values in place of all that they say about a key; minValues stays. */
const withValues = (
  requirements: readonly Requirement[],
  key: string,
  values: readonly string[],
): Requirement[] => {
  const old = requirements.filter((each) => each.key === key);
  const minValues = Math.max(0, ...old.map((each) => each.minValues ?? 0));
  const next: Requirement = { key, operator: 'In', values, ...(minValues > 0 && { minValues }) };
  return [...requirements.filter((each) => each.key !== key), next];
};

/**
 * The largest block of types × zones × capacity types around the cheapest accepted offering in which every combination
 * is accepted. `isStrict` refuses combinations that the catalogue lacks; else the cloud does not sell them.
 */
const largestBlock = (
  allowed: readonly TypeOffering[],
  accepted: readonly TypeOffering[],
  isStrict: boolean,
  isEnough: (block: Block) => boolean,
): Block | undefined => {
  const [cheapest] = accepted;
  if (!cheapest) return undefined;
  const isKnown = new Map(
    allowed.map(({ type, offering }) => [keyOf(type.name, offering.zone, offering.capacityType), false]),
  );
  for (const { type, offering } of accepted) {
    isKnown.set(keyOf(type.name, offering.zone, offering.capacityType), true);
  }
  const names = distinct(accepted.map(({ type }) => type.name));
  const countIn = (zone: string): number => accepted.filter(({ offering }) => offering.zone === zone).length;
  const others = distinct(accepted.map(({ offering }) => offering.zone))
    .filter((zone) => zone !== cheapest.offering.zone)
    .sort((a, b) => countIn(b) - countIn(a));
  const capacityTypes = distinct(accepted.map(({ offering }) => offering.capacityType));
  let best: Block | undefined;
  for (const someCapacityTypes of prefixes(capacityTypes)) {
    for (const zones of prefixes([cheapest.offering.zone, ...others])) {
      const types = names.filter((name) => {
        const combinations = zones.flatMap((zone) =>
          someCapacityTypes.map((capacityType) => isKnown.get(keyOf(name, zone, capacityType))),
        );
        return combinations.some((is) => is === true) && combinations.every((is) => is ?? !isStrict);
      });
      const block = { types: types.slice(0, MAX_TYPES), zones, capacityTypes: someCapacityTypes };
      if (!types.includes(cheapest.type.name) || !isEnough(block)) continue;
      if (!best || sizeOf(block) > sizeOf(best)) best = block;
    }
  }
  return best;
};

/**
 * Cuts an alternative to offerings of the catalogue that `accepts` takes, so that Karpenter can pick no other one;
 * undefined when none is left, or fewer than minValues asks for. An offering without a price is never left.
 */
export const restrict = (
  alternative: Alternative,
  offerings: Offerings,
  poolName: string | undefined,
  accepts: (offering: TypeOffering) => boolean,
): Restricted | undefined => {
  const { requirements } = alternative;
  const allowed = offerings.allowedBy(requirements, poolName);
  const accepted = allowed.filter(accepts).sort((a, b) => a.offering.price - b.offering.price);
  const isEnough = (block: Block): boolean => meetsMinValues(block, requirements, offerings);
  const block =
    largestBlock(allowed, accepted, true, isEnough) ?? largestBlock(allowed, accepted, false, isEnough);
  const [cheapest] = accepted;
  if (!block || !cheapest) return undefined;
  const isWhole = ([key, values]: readonly [string, readonly string[]]): boolean => {
    const named = valuesOf(requirements, key);
    return named.length === values.length && named.every((value) => values.includes(value));
  };
  const lists: readonly (readonly [string, readonly string[]])[] = [
    [INSTANCE_TYPE, block.types],
    [ZONE, block.zones],
    [KARPENTER_CAPACITY_TYPE, block.capacityTypes],
  ];
  const isCut = !lists.every(isWhole);
  const left = accepted.filter(
    ({ type, offering }) =>
      block.types.includes(type.name) &&
      block.zones.includes(offering.zone) &&
      block.capacityTypes.includes(offering.capacityType),
  );
  const { zone, capacityType } = cheapest.offering;
  return {
    alternative: isCut
      ? {
          index: alternative.index,
          requirements: lists.reduce((all, [key, values]) => withValues(all, key, values), [...requirements]),
          instanceType: cheapest.type.name,
          zone,
          capacityType,
        }
      : alternative,
    types: distinct(left.map(({ type }) => type.name)).flatMap((name) => offerings.type(name) ?? []),
    dearest: Math.max(...left.map(({ offering }) => offering.price)),
  };
};
