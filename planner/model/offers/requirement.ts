import type { Requirement } from '../../../api/objects.ts';

/** At most 19 digits that count: BigInt reads a million of them, and takes its time. */
const INTEGER = /^([+-]?)0*(\d{1,19})$/;

/** The 64-bit integer that Go's ParseInt reads; undefined when it reads none. */
export const integerOf = (text: string | undefined): bigint | undefined => {
  const [, sign, digits] = INTEGER.exec(text ?? '') ?? [];
  if (digits === undefined) return undefined;
  const value = sign === '-' ? -BigInt(digits) : BigInt(digits);
  return BigInt.asIntN(64, value) === value ? value : undefined;
};

/** Whether a label value meets one requirement; the value is undefined for an absent label. */
export const meets = (requirement: Requirement, value: string | undefined): boolean => {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt':
    case 'Gte':
    case 'Lte': {
      const have = integerOf(value);
      const bound = integerOf(values[0]);
      if (have === undefined || bound === undefined || values.length !== 1) return false;
      if (have === bound) return requirement.operator === 'Gte' || requirement.operator === 'Lte';
      return requirement.operator === 'Gt' || requirement.operator === 'Gte' ? have > bound : have < bound;
    }
    default:
      return false;
  }
};
