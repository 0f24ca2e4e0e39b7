import type { NodePool } from '../../api/objects.ts';

type Budget = NonNullable<NonNullable<NodePool['spec']['disruption']>['budgets']>[number];

const ALIASES: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};
const NAMES = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const RANGES = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const;

const numberOf = (text: string, field: number): number => {
  const lower = text.toLowerCase();
  if (field === 4 && NAMES.includes(lower)) return NAMES.indexOf(lower);
  if (field === 3 && MONTHS.includes(lower)) return MONTHS.indexOf(lower) + 1;
  return Number(text);
};

const isIn = (text: string, value: number, field: number): boolean =>
  text.split(',').some((part) => {
    const [range = '', step] = part.split('/');
    const [low, high] = RANGES[field] ?? [0, 0];
    let from: number = low;
    let to: number = high;
    if (range !== '*' && range !== '?') {
      const [first = '', last] = range.split('-');
      from = numberOf(first, field);
      to = last !== undefined ? numberOf(last, field) : step !== undefined ? high : from;
    }
    const every = step === undefined ? 1 : Number(step);
    const matches = (each: number): boolean => each >= from && each <= to && (each - from) % every === 0;
    return matches(value) || (field === 4 && value === 0 && matches(7));
  });

const fires = (cron: string, at: Date): boolean => {
  const fields = (ALIASES[cron] ?? cron).trim().split(/\s+/);
  if (fields.length !== 5) return false;
  const values = [
    at.getUTCMinutes(),
    at.getUTCHours(),
    at.getUTCDate(),
    at.getUTCMonth() + 1,
    at.getUTCDay(),
  ];
  const met = fields.map((field, index) => isIn(field, values[index] ?? 0, index));
  // As cron has it: when both days are given, either will do.
  const bothDays = !fields[2]?.startsWith('*') && !fields[4]?.startsWith('*');
  const day = bothDays ? met[2] || met[4] : met[2] && met[4];
  return Boolean(met[0] && met[1] && met[3] && day);
};

const MINUTE = 60_000;
const LONGEST = 7 * 24 * 60;
const UNITS: Readonly<Record<string, number>> = { s: 1 / 60, m: 1, h: 60 };

const minutesOf = (duration: string): number =>
  [...duration.matchAll(/(\d+(?:\.\d+)?)([smh])/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * (UNITS[unit ?? ''] ?? 0),
    0,
  );

/** Whether a budget of a NodePool holds at a time, in milliseconds since 1970; its schedule is in UTC. */
export const isActive = (budget: Budget, now: number): boolean => {
  if (budget.schedule === undefined) return true;
  const length = Math.min(LONGEST, minutesOf(budget.duration ?? '0s'));
  const minute = Math.floor(now / MINUTE) * MINUTE;
  for (let back = 0; back < length; back += 1) {
    if (fires(budget.schedule, new Date(minute - back * MINUTE))) return true;
  }
  return false;
};

/** How many of a NodePool's nodes may be disrupted at once for being underused; Karpenter's default is a tenth. */
export const allowedDisruptions = (pool: NodePool, nodes: number, now: number): number => {
  const budgets = pool.spec.disruption?.budgets ?? [{ nodes: '10%' }];
  let least = nodes;
  for (const budget of budgets) {
    if (budget.reasons && !budget.reasons.includes('Underutilized')) continue;
    if (!isActive(budget, now)) continue;
    const allowed = budget.nodes.endsWith('%')
      ? Math.ceil((nodes * Number(budget.nodes.slice(0, -1))) / 100)
      : Number(budget.nodes);
    least = Math.min(least, allowed);
  }
  return least;
};
