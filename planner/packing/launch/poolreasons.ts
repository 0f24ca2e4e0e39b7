import { OS } from '../../../api/labels.ts';
import type { NodePool, Requirement } from '../../../api/objects.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { InstanceType, Offering } from '../../model/catalogue.ts';
import { isMachineKey } from '../../model/machinelabels.ts';
import type { Supply } from '../../model/supply.ts';
import { meets } from '../../scheduling/nodeaffinity.ts';
import {
  isUnknownLabel,
  type LabelSource,
  offeringMeets,
  sortedRequirements,
  TypeLabels,
  typeMeets,
} from './newnodelabels.ts';

const textOf = ({ key, operator, values = [] }: Requirement): string =>
  values.length > 0 ? `${key} ${operator} ${values.join(', ')}` : `${key} ${operator}`;

/** The requirements on labels of machines that nobody can tell for any type. */
const untold = (
  pool: NodePool,
  types: readonly InstanceType[],
  source: LabelSource,
): readonly Requirement[] => {
  const { ofType, unknown } = sortedRequirements(pool, source.keys);
  const isUntold = ({ key }: Requirement): boolean =>
    isMachineKey(key) &&
    types.every((type) => valueAt(type.labels, key) === undefined && isUnknownLabel(type, key, source));
  return [...unknown, ...ofType.filter(isUntold)];
};

const sourceOf = (supply: Supply, types: readonly InstanceType[]): LabelSource => ({
  keys: supply.keys,
  regions: new Map(
    types.flatMap(({ offerings }) =>
      offerings.flatMap(({ zone }) => {
        const region = supply.regionOf(zone);
        return region === undefined ? [] : [[zone, region] as const];
      }),
    ),
  ),
});

/** What a NodePool asks of machines that nobody can tell, as a sentence without its end; undefined where there is nothing. */
const untoldReason = (pool: NodePool, supply: Supply): string | undefined => {
  const { types } = supply.of(pool);
  const [first] = untold(pool, types, sourceOf(supply, types));
  return (
    first && `NodePool ${pool.metadata.name} asks for ${textOf(first)}, of which the catalogue says nothing`
  );
};

/** Why a NodePool offers no machine at all, as a sentence without its end. */
export const poolReason = (pool: NodePool, supply: Supply): string => {
  const name = `NodePool ${pool.metadata.name}`;
  const { types, blocker } = supply.of(pool);
  if (blocker !== undefined) return `${name} ${blocker}`;
  const unsure = untoldReason(pool, supply);
  if (unsure) return unsure;
  const source = sourceOf(supply, types);
  const { ofOs, ofType, ofOffering } = sortedRequirements(pool, supply.keys);
  let left: readonly InstanceType[] = types;
  const asksFor = (requirement: Requirement, what: string): string =>
    `${name} asks for ${textOf(requirement)}, and no ${what} of the catalogue that meets its other requirements has that`;
  for (const requirement of [...ofOs, ...ofType]) {
    const met = left.filter((type) =>
      requirement.key === OS
        ? type.os.some((os) => meets(requirement, os))
        : typeMeets(requirement, type, new TypeLabels([type.labels]), source),
    );
    if (met.length === 0) return asksFor(requirement, 'instance type');
    left = met;
  }
  let offerings: readonly Offering[] = left.flatMap((type) => type.offerings);
  if (offerings.length === 0) return `${name} launches in no zone where the catalogue sells one of its types`;
  for (const requirement of ofOffering) {
    offerings = offerings.filter((offering) => offeringMeets(requirement, offering, source));
    if (offerings.length === 0) return asksFor(requirement, 'offering');
  }
  return offerings.some(({ available }) => available)
    ? `${name} offers no machine`
    : `${name} has types and zones alone that are out of capacity now`;
};

/** What plans can't use because nobody can tell it, one sentence for each NodePool. */
export const supplyWarnings = (pools: readonly NodePool[], supply: Supply): readonly string[] =>
  pools.flatMap((pool) => {
    const reason = untoldReason(pool, supply);
    return reason === undefined ? [] : [`${reason}: nothing is bought for it.`];
  });
