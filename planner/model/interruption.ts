import { z } from 'zod';
import { HOURS_PER_MONTH } from '../../api/labels.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { InstanceType, Offering } from './catalogue.ts';

const percent = z.number().min(0).max(100);

const rates = z.strictObject({
  /** For types that are not in byType. */
  otherwise: percent.default(5),
  byType: z.record(z.string(), percent).default({}),
});

/** Spot interruptions per month in percent, as in the AWS Spot Advisor. */
export type InterruptionRates = z.output<typeof rates>;

/** The AWS Spot Advisor's lowest class, "below 5 %", for all types. */
export const DEFAULT_RATES: InterruptionRates = { otherwise: 5, byType: {} };

/** How a plan weighs the risk of spot interruptions. */
export interface InterruptionPolicy {
  /** USD per interrupted pod, for lost work and the time until its successor is ready. */
  readonly costPerPod?: number;
  /** Spot types with more interruptions, in percent per month, are not bought. */
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
  valueAt(given.byType, type) ?? given.otherwise;

/** Cap on the monthly probability, as certainty would be an infinite rate. */
const MAX_PROBABILITY = 0.9999;

/** The expected cost of interruptions per pod on such a machine, in USD per hour. */
export const podRiskOf = (
  type: string,
  capacityType: string,
  policy: InterruptionPolicy | undefined,
): number => {
  if (!policy?.costPerPod || capacityType !== 'spot') return 0;
  const inMonth = Math.min(MAX_PROBABILITY, monthlyPercent(type, policy) / 100);
  return (-Math.log1p(-inMonth) / HOURS_PER_MONTH) * policy.costPerPod;
};

/** Whether the policy allows to buy such a machine. */
export const isInterruptionAcceptable = (
  { type, offering }: { readonly type: InstanceType; readonly offering: Offering },
  policy: InterruptionPolicy | undefined,
): boolean =>
  offering.capacityType !== 'spot' ||
  policy?.mostMonthlyPercent === undefined ||
  monthlyPercent(type.name, policy) <= policy.mostMonthlyPercent;
