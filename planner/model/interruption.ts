import { z } from 'zod';
import { HOURS_PER_MONTH } from '../../api/labels.ts';
import type { InstanceType, Offering } from './catalogue.ts';

const percent = z.number().min(0).max(100);

const rates = z.strictObject({
  /** Of types that are not named. */
  otherwise: percent.default(5),
  byType: z.record(z.string(), percent).default({}),
});

/** How often spot machines are taken back: percent of them in a month, as the AWS Spot Advisor has it. */
export type InterruptionRates = z.output<typeof rates>;

/** The AWS Spot Advisor's lowest class, "below 5 %", taken for all types. */
export const DEFAULT_RATES: InterruptionRates = { otherwise: 5, byType: {} };

/** What a plan makes of the risk that spot machines are taken back. */
export interface InterruptionPolicy {
  /** USD that it costs when one pod is interrupted: work that is lost, and the time until another is up. */
  readonly costPerPod?: number;
  /** Spot types that are taken back more often than this, in percent of a month, are not bought. */
  readonly mostMonthlyPercent?: number;
  readonly rates?: InterruptionRates;
}

/** Rates that can't be used; the message is one sentence. */
export class InterruptionRatesError extends Error {
  override readonly name = 'InterruptionRatesError';
}

/** Reads a file of rates. Throws an InterruptionRatesError that names the field. */
export const parseInterruptionRates = (json: unknown): InterruptionRates => {
  const read = rates.safeParse(json);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  throw new InterruptionRatesError(
    `The interruption rates are wrong at ${issue?.path.join('.') || 'their top'}: ${issue?.message}.`,
  );
};

const monthlyPercent = (type: string, { rates: given = DEFAULT_RATES }: InterruptionPolicy): number =>
  given.byType[type] ?? given.otherwise;

/** Even what is taken back every month is so at some rate. */
const MOST_CERTAIN = 0.9999;

/** What the risk of an interruption costs for each pod on such a machine, in USD per hour. */
export const podRiskOf = (
  type: string,
  capacityType: string,
  policy: InterruptionPolicy | undefined,
): number => {
  if (!policy?.costPerPod || capacityType !== 'spot') return 0;
  const inMonth = Math.min(MOST_CERTAIN, monthlyPercent(type, policy) / 100);
  return (-Math.log1p(-inMonth) / HOURS_PER_MONTH) * policy.costPerPod;
};

/** Whether such a machine may be bought. */
export const isInterruptionAcceptable = (
  { type, offering }: { readonly type: InstanceType; readonly offering: Offering },
  policy: InterruptionPolicy | undefined,
): boolean =>
  offering.capacityType !== 'spot' ||
  policy?.mostMonthlyPercent === undefined ||
  monthlyPercent(type.name, policy) <= policy.mostMonthlyPercent;
