import { validateDetailed } from 'node-cron';

/**
 * Cron expressions as Kubernetes CronJobs take them: five fields, macros such as @daily, a leading CRON_TZ=Zone.
 * node-cron reads the fields, the rest is ours; see docs/designs/0013-cron.md.
 */

/** An expression that can't be read; the message names the part and what is allowed there. */
export class CronError extends Error {
  override readonly name = 'CronError';
}

export interface Cron {
  /** IANA name; UTC unless the expression says otherwise. */
  readonly zone: string;
  /**
   * First time in (after, until], in milliseconds since 1970; undefined when there is none. `until` is five years on
   * when left out.
   */
  next(after: number, until?: number): number | undefined;
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

interface Field {
  readonly name: string;
  readonly key: 'minute' | 'hour' | 'dayOfMonth' | 'month' | 'dayOfWeek';
  readonly min: number;
  readonly max: number;
  /** One value: a number, or a name of a month or day. */
  readonly value: RegExp;
}

const NUMBER = /^\d+$/;
const MONTH = /^(\d+|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)$/i;
const WEEKDAY = /^(\d+|sun|mon|tue|wed|thu|fri|sat)$/i;

const FIELDS: readonly Field[] = [
  { name: 'minute', key: 'minute', min: 0, max: 59, value: NUMBER },
  { name: 'hour', key: 'hour', min: 0, max: 23, value: NUMBER },
  { name: 'day of month', key: 'dayOfMonth', min: 1, max: 31, value: NUMBER },
  { name: 'month', key: 'month', min: 1, max: 12, value: MONTH },
  { name: 'day of week', key: 'dayOfWeek', min: 0, max: 7, value: WEEKDAY },
];

/** The numbers that node-cron reads in one part of a field. Throws CronError. */
const expand = (field: Field, part: string): readonly number[] => {
  const { fields } = validateDetailed(FIELDS.map(({ key }) => (key === field.key ? part : '*')).join(' '));
  if (!fields)
    throw new CronError(`'${part}' is not a ${field.name}: ${field.min} to ${field.max} is allowed`);
  return fields[field.key].map(Number);
};

/** One value as a number, Sunday at the end of a range as 7. Throws CronError. */
const readValue = (field: Field, text: string): number => {
  const [value] = field.value.test(text) ? expand(field, text) : [];
  if (value === undefined) {
    throw new CronError(`'${text}' is not a ${field.name}: ${field.min} to ${field.max} is allowed`);
  }
  return value === 0 && text === '7' ? 7 : value;
};

/**
 * Numbers of one part, such as `5`, `*`, `1-5` or `10/20`; throws CronError. Stricter than node-cron, which takes `L`,
 * `W`, `#` and backward ranges that CronJobs refuse, and wider by `10/20`, which CronJobs take.
 */
const parsePart = (field: Field, part: string): readonly number[] => {
  const [range = '', step, ...moreSteps] = part.split('/');
  if (moreSteps.length > 0) throw new CronError(`'${part}' has more than one step`);
  if (step !== undefined && !/^0*[1-9]\d*$/.test(step)) {
    throw new CronError(`'${part}' has a step that is not a positive number`);
  }
  const suffix = step === undefined ? '' : `/${step}`;
  if (range === '*' || range === '?') return expand(field, `*${suffix}`);
  const [from = '', to, ...moreEnds] = range.split('-');
  if (moreEnds.length > 0) throw new CronError(`'${part}' is not a range`);
  const first = readValue(field, from);
  if (to === undefined && step === undefined) return [first];
  const last = to === undefined ? field.max : readValue(field, to);
  if (last < first) throw new CronError(`'${part}' ends before it begins`);
  return expand(field, `${first}-${last}${suffix}`);
};

interface Values {
  readonly has: ReadonlySet<number>;
  readonly isAny: boolean;
}

const parseField = (field: Field, text: string): Values => {
  const values = text.split(',').flatMap((part) => parsePart(field, part));
  // Sunday is 0 and 7.
  return { has: new Set(field.max === 7 ? values.map((n) => n % 7) : values), isAny: /^[*?]/.test(text) };
};

interface WallTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
}

/** Formatter of the wall clock in a time zone. Throws RangeError on an unknown zone. */
const wallClock = (zone: string): ((at: number) => WallTime) => {
  if (zone === 'UTC') {
    return (at) => {
      const date = new Date(at);
      return {
        year: date.getUTCFullYear(),
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
        hour: date.getUTCHours(),
        minute: date.getUTCMinutes(),
      };
    };
  }
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
const HORIZON = 5 * 366 * DAY;

/** Reads a cron expression. Throws CronError. */
export const parseCron = (expression: string): Cron => {
  const [, zoneGiven, body = ''] = /^(?:(?:CRON_)?TZ=(\S+)\s+)?(.*)$/.exec(expression.trim()) ?? [];
  const zone = zoneGiven ?? 'UTC';
  let wallTimeOf: (at: number) => WallTime;
  try {
    wallTimeOf = wallClock(zone);
  } catch (cause) {
    throw new CronError(`'${zone}' is not a time zone such as Europe/Berlin`, { cause });
  }
  const texts = (MACROS[body.toLowerCase()] ?? body).split(/\s+/);
  const [minutes, hours, days, months, weekdays, ...others] =
    texts.length === FIELDS.length ? FIELDS.map((field, i) => parseField(field, texts[i] ?? '')) : [];
  if (!minutes || !hours || !days || !months || !weekdays || others.length > 0) {
    throw new CronError(
      `'${expression}' does not have five fields: minute, hour, day of month, month, day of week`,
    );
  }

  const isDay = (wall: WallTime): boolean => {
    if (!months.has.has(wall.month)) return false;
    const isOfMonth = days.has.has(wall.day);
    const weekday = new Date(Date.UTC(wall.year, wall.month - 1, wall.day)).getUTCDay();
    const isOfWeek = weekdays.has.has(weekday);
    // Either is enough where day of month and day of week are both restricted, as in cron(5); node-cron asks for both.
    return days.isAny || weekdays.isAny ? isOfMonth && isOfWeek : isOfMonth || isOfWeek;
  };
  const minutesInOrder = [...minutes.has].sort((a, b) => a - b);

  return {
    zone,
    next: (after, until = after + HORIZON) => {
      let at = Math.floor(after / MINUTE) * MINUTE + MINUTE;
      while (at <= until) {
        const wall = wallTimeOf(at);
        const intoHour = wall.minute * MINUTE;
        if (!isDay(wall)) {
          // Stops before midnight, since days have 23 to 25 hours.
          const hoursLeft = wall.hour < 22 ? 22 - wall.hour : 1;
          at += hoursLeft * HOUR - intoHour;
        } else if (!hours.has.has(wall.hour)) at += HOUR - intoHour;
        else if (minutes.has.has(wall.minute)) return at;
        else at += ((minutesInOrder.find((minute) => minute > wall.minute) ?? 60) - wall.minute) * MINUTE;
      }
      return undefined;
    },
  };
};
