import type { CronFields } from './fields.ts';
import type { Zone } from './timezone.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SEARCHED_YEARS = 5;

/**
 * The search for the next time of an expression: month, day, hour, minute and second are moved on one after another until each
 * matches. Around a change of the clock its result depends on these steps, so they are robfig/cron's.
 */
export class CronSearch {
  readonly #fields: CronFields;
  readonly #zone: Zone;
  #at: number;
  /** Whether a field was moved on, so that all smaller ones begin at their first value. */
  #hasMoved = false;

  constructor(fields: CronFields, zone: Zone, after: number) {
    this.#fields = fields;
    this.#zone = zone;
    this.#at = Math.floor(after / SECOND) * SECOND + SECOND;
  }

  run(): number | undefined {
    const lastYear = this.#local().getUTCFullYear() + SEARCHED_YEARS;
    while (this.#local().getUTCFullYear() <= lastYear) {
      const isFound =
        this.#findMonth() && this.#findDay() && this.#findHour() && this.#findMinute() && this.#findSecond();
      if (isFound) return this.#at;
    }
    return undefined;
  }

  /** The wall clock, in the UTC fields of a Date. */
  #local(): Date {
    return this.#zone.local(this.#at);
  }

  /** Goes to a time of the wall clock, whose parts may be past their ends. */
  #goTo(year: number, month: number, day: number, timeOfDay: number): void {
    this.#at = this.#zone.instant(Date.UTC(year, month, day) + timeOfDay);
  }

  /** Goes on by months or days of the wall clock; where a zone left out a whole day, by a day of 24 hours. */
  #advance(months: number, days: number): void {
    const before = this.#at;
    const local = this.#local();
    this.#goTo(
      local.getUTCFullYear(),
      local.getUTCMonth() + months,
      local.getUTCDate() + days,
      local.getTime() - Math.floor(local.getTime() / DAY) * DAY,
    );
    if (this.#at <= before) this.#at = before + DAY;
  }

  /** Goes to the begin of the month, day or hour, unless a larger field was moved on already. */
  #begin(unit: 'month' | 'day' | 'hour'): void {
    if (this.#hasMoved) return;
    this.#hasMoved = true;
    const local = this.#local();
    const day = unit === 'month' ? 1 : local.getUTCDate();
    const timeOfDay = unit === 'hour' ? local.getUTCHours() * HOUR : 0;
    this.#goTo(local.getUTCFullYear(), local.getUTCMonth(), day, timeOfDay);
  }

  /** Each of these is false when its field began anew, so that the larger ones have to be looked at again. */
  #findMonth(): boolean {
    while (!this.#fields.months.numbers.has(this.#local().getUTCMonth() + 1)) {
      this.#begin('month');
      this.#advance(1, 0);
      if (this.#local().getUTCMonth() === 0) return false;
    }
    return true;
  }

  #findDay(): boolean {
    while (!isDay(this.#fields, this.#local())) {
      this.#begin('day');
      this.#advance(0, 1);
      // A day may begin at 1:00, or end where midnight is skipped.
      const hour = this.#local().getUTCHours();
      if (hour !== 0) this.#at += (hour > 12 ? 24 - hour : -hour) * HOUR;
      if (this.#local().getUTCDate() === 1) return false;
    }
    return true;
  }

  #findHour(): boolean {
    while (!this.#fields.hours.numbers.has(this.#local().getUTCHours())) {
      this.#begin('hour');
      this.#at += HOUR;
      if (this.#local().getUTCHours() === 0) return false;
    }
    return true;
  }

  #findMinute(): boolean {
    while (!this.#fields.minutes.numbers.has(this.#local().getUTCMinutes())) {
      if (!this.#hasMoved) this.#at = Math.floor(this.#at / MINUTE) * MINUTE;
      this.#hasMoved = true;
      this.#at += MINUTE;
      if (this.#local().getUTCMinutes() === 0) return false;
    }
    return true;
  }

  #findSecond(): boolean {
    const second = this.#local().getUTCSeconds();
    if (second === 0) return true;
    this.#hasMoved = true;
    this.#at += MINUTE - second * SECOND;
    return false;
  }
}

/** Either day field is enough where none has a star, else both have to match. */
const isDay = ({ days, weekdays }: CronFields, local: Date): boolean => {
  const isOfMonth = days.numbers.has(local.getUTCDate());
  const isOfWeek = weekdays.numbers.has(local.getUTCDay());
  return days.hasStar || weekdays.hasStar ? isOfMonth && isOfWeek : isOfMonth || isOfWeek;
};
