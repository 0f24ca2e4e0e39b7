/**
 * Cron expressions as Kubernetes CronJobs take them: five fields, names of months and days, lists, ranges and steps,
 * the macros @hourly to @yearly, and a leading CRON_TZ=Zone (or TZ=Zone). Times are milliseconds since 1970.
 */

/** An expression that can't be read; the message names the part and what is allowed there. */
export class CronError extends Error {
  override readonly name = 'CronError';
}

export interface Cron {
  /** IANA name; UTC unless the expression says otherwise. */
  readonly zone: string;
  /** The first time after the given one; undefined when there is none within five years. */
  next(after: number): number | undefined;
}

const MACROS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const FIELDS: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 7, names: DAYS },
];

const numberOf = (field: Field, text: string): number => {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1;
  const value =
    named >= 0 ? named + (field.min === 1 ? 1 : 0) : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= field.min && value <= field.max) return value;
  throw new CronError(`'${text}' is not a ${field.name}: ${field.min} to ${field.max} is allowed`);
};

const parsePart = (field: Field, part: string): readonly number[] => {
  const [range = '', step, ...rest] = part.split('/');
  if (rest.length > 0) throw new CronError(`'${part}' has more than one step`);
  const by = step === undefined ? 1 : Number(step);
  if (!Number.isInteger(by) || by < 1)
    throw new CronError(`'${part}' has a step that is not a positive number`);
  const isAny = range === '*' || range === '?';
  const [from = '', to, ...more] = range.split('-');
  if (more.length > 0) throw new CronError(`'${part}' is not a range`);
  const first = isAny ? field.min : numberOf(field, from);
  const last = isAny
    ? field.max
    : to !== undefined
      ? numberOf(field, to)
      : step === undefined
        ? first
        : field.max;
  if (last < first) throw new CronError(`'${part}' ends before it begins`);
  return Array.from({ length: Math.floor((last - first) / by) + 1 }, (_, i) => first + i * by);
};

interface Parsed {
  readonly values: ReadonlySet<number>;
  readonly isAny: boolean;
}

const parseField = (field: Field, text: string): Parsed => {
  const values = new Set(text.split(',').flatMap((part) => parsePart(field, part)));
  // Sunday is 0 and 7.
  if (field.max === 7 && values.has(7)) values.add(0);
  return { values, isAny: /^[*?]/.test(text) };
};

interface Wall {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
}

const wallClock = (zone: string): ((at: number) => Wall) => {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map((p) => [p.type, Number(p.value)]));
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = parts;
    return { year, month, day, hour, minute };
  };
};

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const HORIZON_DAYS = 5 * 366;

/** Reads a cron expression. Throws CronError. */
export const parseCron = (expression: string): Cron => {
  const [, zoneGiven, body = ''] = /^(?:(?:CRON_)?TZ=(\S+)\s+)?(.*)$/.exec(expression.trim()) ?? [];
  const zone = zoneGiven ?? 'UTC';
  let wall: (at: number) => Wall;
  try {
    wall = wallClock(zone);
  } catch (cause) {
    throw new CronError(`'${zone}' is not a time zone such as Europe/Berlin`, { cause });
  }
  const text = MACROS[body.toLowerCase()] ?? body;
  const fields = text.split(/\s+/);
  if (fields.length !== FIELDS.length) {
    throw new CronError(
      `'${expression}' does not have five fields: minute, hour, day of month, month, day of week`,
    );
  }
  const [minutes, hours, days, months, weekdays] = FIELDS.map((field, i) =>
    parseField(field, fields[i] ?? ''),
  );
  if (!minutes || !hours || !days || !months || !weekdays)
    throw new CronError(`'${expression}' can't be read`);

  const isDay = (w: Wall): boolean => {
    if (!months.values.has(w.month)) return false;
    const isOfMonth = days.values.has(w.day);
    const isOfWeek = weekdays.values.has(new Date(Date.UTC(w.year, w.month - 1, w.day)).getUTCDay());
    // Where both are restricted, either is enough; so does cron.
    return days.isAny || weekdays.isAny ? isOfMonth && isOfWeek : isOfMonth || isOfWeek;
  };

  return {
    zone,
    next: (after) => {
      let at = Math.floor(after / MINUTE) * MINUTE + MINUTE;
      const end = after + HORIZON_DAYS * DAY;
      while (at < end) {
        const w = wall(at);
        const intoHour = w.minute * MINUTE;
        if (!isDay(w)) {
          // To the next hour only: days have 23 to 25 of them.
          const hoursLeft = w.hour < 22 ? 22 - w.hour : 1;
          at += hoursLeft * HOUR - intoHour;
        } else if (!hours.values.has(w.hour)) at += HOUR - intoHour;
        else if (!minutes.values.has(w.minute)) at += MINUTE;
        else return at;
      }
      return undefined;
    },
  };
};
