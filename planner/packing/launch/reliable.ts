import { type Catalogue, mapOfferings } from '../../model/catalogue.ts';
import { poolLimits } from '../../model/nodepool.ts';
import type { CompiledOption } from '../compiledoption.ts';
import { hasSamePickedLabels, minValuesOf } from '../instancetypeset.ts';
import type { BitMatrix } from '../matrix.ts';
import { substitutes } from './minvalues.ts';

/** What stands in for less reliable spot costs at most half more: another family or zone, not the next size. */
const MOST_TIMES_PRICE = 1.5;

const isLessReliable = ({ launchOption }: CompiledOption): boolean =>
  launchOption.offering.isLessReliable === true;

const isReliableSpot = (option: CompiledOption): boolean =>
  option.launchOption.offering.capacityType === 'spot' && !isLessReliable(option);

const isOnDemand = ({ launchOption }: CompiledOption): boolean =>
  launchOption.offering.capacityType === 'on-demand';

/** What the type of an option costs on demand in its zone, in USD per hour; infinite where it can't be had so. */
const onDemandPriceOf = ({ launchOption: { type, offering } }: CompiledOption): number =>
  type.offerings.find(({ zone, capacityType }) => zone === offering.zone && capacityType === 'on-demand')
    ?.price ?? Number.POSITIVE_INFINITY;

/**
 * The options without less reliable spot that other spot of its NodePool can stand in for, whatever is on the node: so no pod
 * loses its place. See docs/designs/0060-which-spot.md for what may stand in. With `isLimited` the cluster's cores are.
 */
export const withoutLessReliable = (
  options: readonly CompiledOption[],
  allowed: BitMatrix,
  keys: readonly string[],
  isLimited: boolean,
): CompiledOption[] => {
  if (!options.some(isLessReliable)) return [...options];
  const canSubstitute = substitutes(allowed, keys);
  const reliable = options.filter(isReliableSpot);
  const onDemand = options.filter(isOnDemand);
  const hasStandIn = (option: CompiledOption): boolean => {
    const { pool, type } = option.launchOption;
    // A claim may need this very type to have as many as minValues asks for.
    if (minValuesOf(pool).size > 0) return false;
    const isSameTypeOnly = isLimited || Object.keys(poolLimits(pool)).length > 0;
    const standsIn = (other: CompiledOption): boolean =>
      hasSamePickedLabels(other.launchOption, option.launchOption) &&
      (!isSameTypeOnly || other.launchOption.type === type) &&
      canSubstitute(other, option);
    const most = Math.min(option.price * MOST_TIMES_PRICE, onDemandPriceOf(option));
    const other = reliable.find((each) => each.price <= most && standsIn(each));
    return other !== undefined && !onDemand.some((each) => each.price < other.price && standsIn(each));
  };
  return options.filter((option) => !isLessReliable(option) || !hasStandIn(option));
};

/** The catalogue with all spot as reliable as any; undefined where it is so already. */
export const withoutDoubts = (catalogue: Catalogue): Catalogue | undefined => {
  const trusted = mapOfferings(catalogue, (offering) => {
    const { isLessReliable, ...others } = offering;
    return isLessReliable ? others : offering;
  });
  return trusted === catalogue ? undefined : trusted;
};
