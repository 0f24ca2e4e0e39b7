import { poolLimits } from '../../model/nodepool.ts';
import type { CompiledOption } from '../compiledoption.ts';
import { hasSamePickedLabels } from '../instancetypeset.ts';
import type { BitMatrix } from '../matrix.ts';
import { substitutes } from './minvalues.ts';

const isLessReliable = ({ launchOption }: CompiledOption): boolean =>
  launchOption.offering.isLessReliable === true;

const isReliableSpot = (option: CompiledOption): boolean =>
  option.launchOption.offering.capacityType === 'spot' && !isLessReliable(option);

/**
 * The options without less reliable spot that other spot of its NodePool can stand in for, whatever is on the node: so no pod
 * loses its place. Under the limits of a NodePool only the same type elsewhere can.
 */
export const withoutLessReliable = (
  options: readonly CompiledOption[],
  allowed: BitMatrix,
  keys: readonly string[],
): CompiledOption[] => {
  if (!options.some(isLessReliable)) return [...options];
  const canSubstitute = substitutes(allowed, keys);
  const reliable = options.filter(isReliableSpot);
  const standsIn = (other: CompiledOption, option: CompiledOption): boolean => {
    const { pool, type } = option.launchOption;
    const isLimited = Object.keys(poolLimits(pool)).length > 0;
    return (
      hasSamePickedLabels(other.launchOption, option.launchOption) &&
      (!isLimited || other.launchOption.type === type) &&
      canSubstitute(other, option)
    );
  };
  return options.filter(
    (option) => !isLessReliable(option) || !reliable.some((other) => standsIn(other, option)),
  );
};
