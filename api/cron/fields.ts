const MAX_SHOWN = 60;

/** A part of an expression as messages quote it. */
export const quoted = (text: string): string =>
  `'${text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text}'`;

/** An expression that can't be read; the message names the part and what is allowed there. */
export class CronError extends Error {
  override readonly name = 'CronError';
}

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Names in lower case; the first one stands for `min`. */
  readonly names?: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const FIELDS: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 6, names: WEEKDAYS },
];

/** The values of a field, and whether any part of it was a star without a step above 1. */
export interface Values {
  readonly numbers: ReadonlySet<number>;
  readonly hasStar: boolean;
}

/** A whole number that may have a plus sign, as Go's Atoi reads it; undefined for anything else. */
const readNumber = (text: string): number | undefined => {
  const number = /^\+?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
};

/** One value: a number, or the name of a month or day. Throws CronError. */
const readValue = (field: Field, text: string): number => {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1;
  const value = named >= 0 ? named + field.min : readNumber(text);
  if (value === undefined || value < field.min || value > field.max) {
    throw new CronError(`${quoted(text)} is not a ${field.name}: ${field.min} to ${field.max} is allowed`);
  }
  return value;
};

const readStep = (part: string, text: string): number => {
  const step = readNumber(text);
  if (step === undefined || step === 0) {
    throw new CronError(`${quoted(part)} has a step that is not a positive number`);
  }
  return step;
};

/** The first and last value of a range without its step; a single value has no last one. Throws CronError. */
const readRange = (field: Field, part: string, range: string): readonly [number, number | undefined] => {
  const [from = '', to, ...others] = range.split('-');
  // robfig/cron reads nothing behind a star.
  if (from === '*' || from === '?') return [field.min, field.max];
  if (others.length > 0) throw new CronError(`${quoted(part)} is not a range`);
  return [readValue(field, from), to === undefined ? undefined : readValue(field, to)];
};

/** Adds the values of one part, such as `5`, `*`, `1-5` or `10/20`. Throws CronError. */
const readPart = (field: Field, part: string, numbers: Set<number>): { readonly isStar: boolean } => {
  const [range = '', stepText, ...moreSteps] = part.split('/');
  if (moreSteps.length > 0) throw new CronError(`${quoted(part)} has more than one step`);
  const [first, rangeEnd] = readRange(field, part, range);
  const step = stepText === undefined ? 1 : readStep(part, stepText);
  const last = rangeEnd ?? (stepText === undefined ? first : field.max);
  if (last < first) throw new CronError(`${quoted(part)} ends before it begins`);
  for (let value = first; value <= last; value += step) numbers.add(value);
  return { isStar: /^[*?]/.test(range) && step === 1 };
};

const readField = (field: Field, text: string): Values => {
  const numbers = new Set<number>();
  let hasStar = false;
  for (const part of text.split(',').filter((part) => part !== '')) {
    if (readPart(field, part, numbers).isStar) hasStar = true;
  }
  return { numbers, hasStar };
};

/** What the five fields of an expression allow. */
export interface CronFields {
  readonly minutes: Values;
  readonly hours: Values;
  readonly days: Values;
  readonly months: Values;
  readonly weekdays: Values;
}

/** Reads five fields. Throws CronError. */
export const readFields = (body: string): CronFields => {
  const texts = body.split(/\s+/).filter((text) => text !== '');
  const [minutes, hours, days, months, weekdays] =
    texts.length === FIELDS.length ? FIELDS.map((field, i) => readField(field, texts[i] ?? '')) : [];
  if (!minutes || !hours || !days || !months || !weekdays) {
    throw new CronError(
      `${quoted(body)} does not have five fields: minute, hour, day of month, month, day of week`,
    );
  }
  return { minutes, hours, days, months, weekdays };
};
