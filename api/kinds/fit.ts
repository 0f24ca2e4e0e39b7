import { z } from 'zod';
import { printable } from '../text/printable.ts';

/** The ends of one field and of those in it, as in its JSON schema. */
interface Ends {
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly items?: Ends;
  readonly properties?: Readonly<Record<string, Ends>>;
  readonly additionalProperties?: Ends;
}

/**
 * Printable text of at most so many characters; an ellipsis stands for what is cut off. Escapes come before the cut, since
 * they lengthen a text.
 */
export const shortened = (raw: string, most: number): string => {
  const text = printable(raw);
  if (text.length <= most) return text;
  // No half of a surrogate pair is left: it would be no valid text.
  return `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
};

const fit = (value: unknown, ends: Ends | undefined): unknown => {
  if (!ends) return value;
  if (typeof value === 'string') return shortened(value, ends.maxLength ?? Number.POSITIVE_INFINITY);
  if (Array.isArray(value)) return value.slice(0, ends.maxItems).map((each) => fit(each, ends.items));
  if (typeof value !== 'object' || value === null) return value;
  const properties = new Map(Object.entries(ends.properties ?? {}));
  const entries = Object.entries(value).slice(0, ends.maxProperties);
  return Object.fromEntries(
    entries.map(([key, each]) => [key, fit(each, properties.get(key) ?? ends.additionalProperties)]),
  );
};

/**
 * Cuts what we write to the ends of its schema: the API server would refuse all of a status for one message that is too
 * long, and the object would be stuck.
 */
export const fitting = <T>(schema: z.ZodType<T>): ((value: T) => T) => {
  const ends = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as unknown as Ends;
  return (value) => fit(value, ends) as T;
};
