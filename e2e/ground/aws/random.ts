import { createHash } from 'node:crypto';

/** A number in [0, 1) that depends on nothing but its arguments. */
export const unitOf = (...parts: readonly (string | number)[]): number =>
  createHash('sha256').update(parts.join('|')).digest().readUInt32BE(0) / 2 ** 32;

/** Hexadecimal digits that depend on nothing but the arguments; length at most 64. */
export const hexOf = (length: number, ...parts: readonly (string | number)[]): string =>
  createHash('sha256').update(parts.join('|')).digest('hex').slice(0, length);
