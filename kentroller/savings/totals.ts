import { z } from 'zod';

/**
 * Savings since the installation, in bounded size; times are hours since 1970, money is USD. A plan saves from its end
 * to the end of the thirtieth day after, since later changes make it meaningless.
 */

const COUNTED_DAYS = 30;
const HOURS_PER_DAY = 24;
const MS_PER_HOUR = 3_600_000;
/** Uids kept to recognize a plan that is added twice; more than ever wait for their finalizer at once. */
const MAX_RECENT = 200;

const totals = z.object({
  /** When counting began, RFC 3339. */
  since: z.string(),
  plans: z.int(),
  /** USD per month of all plans together. */
  monthly: z.number(),
  /** USD of the days whose thirty days have passed. */
  settled: z.number(),
  /** Sums per day on which plans ended: USD per hour, and USD per hour times the hour of the end. */
  days: z.array(z.object({ day: z.int(), hourly: z.number(), moment: z.number() })),
  /** Uids of the latest plans. */
  recent: z.array(z.string()),
});

export type SavingsTotals = z.output<typeof totals>;
type Day = SavingsTotals['days'][number];

/** A completed plan. `monthly` in USD. */
export interface FinishedPlan {
  readonly uid: string;
  /** Milliseconds since 1970. */
  readonly endedAt: number;
  readonly monthly: number;
}

export const parseTotals = (text: string): SavingsTotals => totals.parse(JSON.parse(text));

export const emptyTotals = (now: number): SavingsTotals => ({
  since: new Date(now).toISOString(),
  plans: 0,
  monthly: 0,
  settled: 0,
  days: [],
  recent: [],
});

const endHourOf = ({ day }: Day): number => (day + 1 + COUNTED_DAYS) * HOURS_PER_DAY;

const savedOn = (day: Day, hour: number): number => day.hourly * Math.min(hour, endHourOf(day)) - day.moment;

/** USD saved until `now`, which is in milliseconds since 1970. */
export const savedUntil = (l: SavingsTotals, now: number): number =>
  l.settled + l.days.reduce((sum, day) => sum + savedOn(day, now / MS_PER_HOUR), 0);

/** The totals with one more plan; the same object where the plan is already in them. */
export const addPlan = (l: SavingsTotals, saving: FinishedPlan, hoursPerMonth: number): SavingsTotals => {
  if (l.recent.includes(saving.uid)) return l;
  const hour = saving.endedAt / MS_PER_HOUR;
  const day = Math.floor(hour / HOURS_PER_DAY);
  const hourly = saving.monthly / hoursPerMonth;
  const old = l.days.find((d) => d.day === day);
  const days = [
    ...l.days.filter((d) => d.day !== day),
    { day, hourly: (old?.hourly ?? 0) + hourly, moment: (old?.moment ?? 0) + hourly * hour },
  ];
  const isOver = (d: Day): boolean => endHourOf(d) <= hour;
  return {
    ...l,
    plans: l.plans + 1,
    monthly: l.monthly + saving.monthly,
    settled: days.filter(isOver).reduce((sum, d) => sum + savedOn(d, hour), l.settled),
    days: days.filter((d) => !isOver(d)),
    recent: [...l.recent, saving.uid].slice(-MAX_RECENT),
  };
};
