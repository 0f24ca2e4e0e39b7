import type { Condition } from '../objects.ts';

/** Whether a condition of this type is there and True. */
export const isTrue = (conditions: readonly Condition[] | undefined, type: string): boolean =>
  conditions?.some((each) => each.type === type && each.status === 'True') ?? false;
