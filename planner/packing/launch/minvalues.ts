import { mustGet } from '../../../api/mustget.ts';
import type { NodePool } from '../../../api/objects.ts';
import type { CompiledOption } from '../compiledoption.ts';
import { hasSamePickedLabels, minValuesOf, setsWithMinValues } from '../instancetypeset.ts';
import { type BitMatrix, floatAt, itemAt } from '../matrix.ts';

/** Tells whether `other` has room for whatever the option may hold and allows every pod class that it allows. */
export const substitutes = (
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
  // A claim of several types can't keep to one reservation.
  const isOfReservation = ({ launchOption }: CompiledOption): boolean =>
    launchOption.offering.reservation !== undefined;
  const ordered = options.filter((each) => !isOfReservation(each)).sort((a, b) => a.price - b.price);
  /** The least that the dearest type of a claim costs; undefined where no claim meets the needs. */
  const leastMost = (option: CompiledOption, needs: ReadonlyMap<string, number>): number | undefined => {
    const others = ordered.filter(
      (other) => hasSamePickedLabels(other.launchOption, option.launchOption) && canSubstitute(other, option),
    );
    const sets = setsWithMinValues(others, needs);
    return sets.length === 0 ? undefined : Math.min(...sets.map((set) => itemAt(set, set.length - 1).price));
  };
  // Offerings of a type that no pod tells apart have the same substitutes.
  const known = new Map<Float64Array, Map<string, number | undefined>>();
  return options.flatMap((option) => {
    const { pool, pickedLabels } = option.launchOption;
    const needs = mustGet(needsOf, pool, 'minValues of NodePool');
    if (needs.size === 0) return option;
    if (isOfReservation(option)) return [];
    const ofRoom = known.get(option.room) ?? new Map<string, number | undefined>();
    known.set(option.room, ofRoom);
    const id = JSON.stringify([
      pool.metadata.name,
      option.nodeClass,
      pickedLabels,
      keys.map((key) => option.launchOption.label(key)),
    ]);
    if (!ofRoom.has(id)) ofRoom.set(id, leastMost(option, needs));
    const most = ofRoom.get(id);
    if (most === undefined) return [];
    return atMost ? { ...option, price: Math.max(most, option.price), most } : option;
  });
};
