import { valueAt } from './records/valueat.ts';

/** Longest text that is read; a duration has one number a unit. */
const MAX_CHARACTERS = 1000;
/** Go counts nanoseconds in 64 bits, 292 years; a time that far away is still a date. */
const MAX_MS = 2 ** 63 / 1e6;

/** Milliseconds, or undefined beyond what Go can count. */
const countable = (ms: number): number | undefined => (ms < MAX_MS ? ms : undefined);

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a duration such as '250ms', '1h30m' or '0'; undefined when the text is not one. */
export const parseDuration = (text: string): number | undefined => {
  if (text === '0') return 0;
  if (text.length > MAX_CHARACTERS || !/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    total += Number(amount) * (valueAt(UNITS, unit ?? '') ?? Number.NaN);
  return countable(total);
};

const GO_UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a duration as Go's time.ParseDuration reads it: signed, without days; undefined when it does not. */
export const parseGoDuration = (text: string): number | undefined => {
  if (text.length > MAX_CHARACTERS) return undefined;
  const [, sign, body = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (body === '0') return 0;
  if (!/^((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
  let total = 0;
  for (const [, amount, unit] of body.matchAll(/([\d.]+)([a-zµμ]+)/g))
    total += Number(amount) * (valueAt(GO_UNITS, unit ?? '') ?? Number.NaN);
  return countable(total) && (sign === '-' ? -total : total);
};

/** Milliseconds as a duration: 90000 is '1m30s'. */
export const formatDuration = (ms: number): string => {
  if (ms < 1000) return `${ms}ms`;
  let rest = ms;
  let text = '';
  for (const [unit, size] of Object.entries(UNITS).reverse()) {
    const n = Math.floor(rest / size);
    if (n > 0) text += `${n}${unit}`;
    rest -= n * size;
  }
  return text;
};
