import { z } from 'zod';

/**
 * Money that plans saved since the install, small however many they were. A plan counts from its end to the end of the
 * thirtieth day after: by then other things have changed the cluster too. Times are hours since 1970, money USD.
 */

const COUNTED_DAYS = 30;
const HOURS_PER_DAY = 24;
const MS_PER_HOUR = 3_600_000;
/** More plans than are ever between being counted and being let go. */
const MAX_RECENT = 200;

const totals = z.object({
  /** When the first plan was counted, RFC 3339. */
  since: z.string(),
  plans: z.int(),
  /** What all plans together save a month. */
  monthly: z.number(),
  /** What the plans whose time is over have saved. */
  settled: z.number(),
  /** Plans by the day of their end: what they save an hour, and the same times the hour of their end. */
  days: z.array(z.object({ day: z.int(), hourly: z.number(), moment: z.number() })),
  /** Uids of the plans that were counted last. */
  recent: z.array(z.string()),
});

export type SavingsTotals = z.output<typeof totals>;
type Day = SavingsTotals['days'][number];

/** One plan, when it is over. */
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

const endOf = ({ day }: Day): number => (day + 1 + COUNTED_DAYS) * HOURS_PER_DAY;

const savedOn = (day: Day, hour: number): number => day.hourly * Math.min(hour, endOf(day)) - day.moment;

/** What was saved until now. */
export const savedUntil = (l: SavingsTotals, now: number): number =>
  l.settled + l.days.reduce((sum, day) => sum + savedOn(day, now / MS_PER_HOUR), 0);

/** The ledger with one more plan; the same one where it was counted already. */
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
  const isOver = (d: Day): boolean => endOf(d) <= hour;
  return {
    ...l,
    plans: l.plans + 1,
    monthly: l.monthly + saving.monthly,
    settled: days.filter(isOver).reduce((sum, d) => sum + savedOn(d, hour), l.settled),
    days: days.filter((d) => !isOver(d)),
    recent: [...l.recent, saving.uid].slice(-MAX_RECENT),
  };
};
