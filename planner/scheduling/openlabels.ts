import type { Requirement } from '../../api/objects.ts';
import { integerOf, meets } from './nodeaffinity.ts';

/** A value that no pod selects. */
const ANY = 'any';
const NEAR = [-1n, 0n, 1n];
const BOUNDS: ReadonlySet<string> = new Set(['Gt', 'Lt', 'Gte', 'Lte']);

/** Numbers at and next to the bounds of Gt, Lt, Gte and Lte. */
const numbersFor = (requirements: readonly Requirement[]): string[] =>
  requirements.flatMap(({ operator, values }) => {
    const bound = BOUNDS.has(operator) ? integerOf(values?.[0]) : undefined;
    return bound === undefined ? [] : NEAR.map((step) => String(bound + step));
  });

/**
 * Values that a label may get that neither the catalogue nor the claim sets: all of the `In` lists that meet every
 * requirement, else one value that does, as Karpenter makes one up. undefined where the label is not set, empty when no
 * value meets the requirements.
 */
export const openValues = (requirements: readonly Requirement[]): readonly (string | undefined)[] => {
  const areMet = (value: string | undefined): boolean =>
    requirements.every((requirement) => meets(requirement, value));
  const listed = requirements.find(({ operator }) => operator === 'In')?.values;
  if (listed) return listed.filter(areMet);
  if (requirements.every(({ operator }) => operator === 'DoesNotExist')) return [undefined];
  return [ANY, ...numbersFor(requirements)].filter(areMet).slice(0, 1);
};

/** Requirements by their label key. */
export const byKey = (requirements: readonly Requirement[]): ReadonlyMap<string, readonly Requirement[]> => {
  const grouped = new Map<string, Requirement[]>();
  for (const requirement of requirements) {
    const known = grouped.get(requirement.key);
    if (known) known.push(requirement);
    else grouped.set(requirement.key, [requirement]);
  }
  return grouped;
};
