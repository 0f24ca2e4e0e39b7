import { CronError, type CronFields, quoted, readFields } from './cron/fields.ts';
import { CronSearch } from './cron/search.ts';
import { createZone, UTC, type Zone } from './cron/timezone.ts';
import { parseGoDuration } from './duration.ts';
import { valueAt } from './records/valueat.ts';

/**
 * Cron expressions as ParseStandard of robfig/cron v3 reads them, for CronJobs and Karpenter alike: five fields, macros
 * such as @daily, @every, a leading TZ= or CRON_TZ=. See docs/designs/0013-cron.md.
 */

export interface Cron {
  /** IANA name; UTC unless the expression says otherwise. */
  readonly zone: string;
  /** First time after `after`, in milliseconds since 1970; undefined when there is none within five years. */
  next(after: number): number | undefined;
  /** Last time in (after, until], for runs that follow one another from `after` on. */
  latest(after: number, until: number): number | undefined;
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

/** Longest expression that is read: all minutes, hours and days of a month one by one take a third. */
const MAX_CHARACTERS = 1000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Spans before `until` in which its last run is looked for; the first that has one is walked through. */
const SPANS = [HOUR, DAY, 32 * DAY, 366 * DAY, 5 * 366 * DAY];

const cronOfFields = (fields: CronFields, zone: Zone): Cron => {
  const next = (after: number): number | undefined => new CronSearch(fields, zone, after).run();
  return {
    zone: zone.name,
    next,
    latest: (after, until) => {
      for (const span of SPANS) {
        let latest: number | undefined;
        let at = next(Math.max(after, until - span));
        for (; at !== undefined && at <= until; at = next(at)) latest = at;
        if (latest !== undefined || until - span <= after) return latest;
      }
      return undefined;
    },
  };
};

const cronOfDelay = (delay: number): Cron => {
  const wholeSecond = (at: number): number => Math.floor(at / SECOND) * SECOND;
  return {
    zone: UTC.name,
    next: (after) => wholeSecond(after) + delay,
    latest: (after, until) => {
      const runs = Math.floor((until - wholeSecond(after)) / delay);
      return runs > 0 ? wholeSecond(after) + runs * delay : undefined;
    },
  };
};

const readDelay = (text: string): number => {
  const delay = parseGoDuration(text);
  if (delay === undefined) throw new CronError(`${quoted(text)} is not a duration such as 1h30m`);
  return Math.max(SECOND, Math.floor(delay / SECOND) * SECOND);
};

/** Splits off a time zone in front. Throws CronError. */
const readZone = (expression: string): { readonly zone: Zone; readonly body: string } => {
  if (!/^(CRON_)?TZ=/.test(expression)) return { zone: UTC, body: expression };
  const [, name, body] = /^(?:CRON_)?TZ=([^ ]*) (.*)$/s.exec(expression) ?? [];
  if (name === undefined || body === undefined) {
    throw new CronError(`${quoted(expression)} has nothing behind its time zone`);
  }
  const zone = createZone(name);
  if (!zone) throw new CronError(`${quoted(name)} is not a time zone such as Europe/Berlin`);
  return { zone, body: body.trim() };
};

/** Reads a cron expression. Throws CronError. */
export const parseCron = (expression: string): Cron => {
  if (expression.length > MAX_CHARACTERS) {
    throw new CronError(`${quoted(expression)} has more than ${MAX_CHARACTERS} characters`);
  }
  const { zone, body } = readZone(expression);
  if (!body.startsWith('@')) return cronOfFields(readFields(body), zone);
  if (body.startsWith('@every ')) return cronOfDelay(readDelay(body.slice('@every '.length)));
  const fields = valueAt(MACROS, body);
  if (fields === undefined) {
    throw new CronError(`${quoted(body)} is not one of ${Object.keys(MACROS).join(', ')} and @every`);
  }
  return cronOfFields(readFields(fields), zone);
};
