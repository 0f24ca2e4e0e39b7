import { HOURS_PER_MONTH } from '../../api/labels.ts';
import { feeOf } from '../../cloud/aws/commitments/owned.ts';
import { COMMITMENT_CALLS } from '../../cloud/aws/commitments/read.ts';
import type { LiveCatalogue } from '../../cloud/aws/livecatalogue.ts';

const count = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : 's'}`;

/**
 * What a report says of the account's Savings Plans and Reserved Instances: the end of its sentence on prices, and what it
 * could not know. `share` is the cluster's part in percent, where the user has said it.
 */
export const commitmentsTold = (
  owned: LiveCatalogue['owned'],
  share: number | undefined,
): { readonly summary: string; readonly gaps: readonly string[] } => {
  if (share === 0) return { summary: '', gaps: [] };
  if ('unread' in owned) {
    const gap = `Savings Plans and Reserved Instances could not be read (${owned.unread}): machines that they cover count in full; allow ${COMMITMENT_CALLS.join(', ')}, or give --commitments 0.`;
    return { summary: '', gaps: [gap] };
  }
  const reserved = owned.reserved.reduce((sum, each) => sum + each.count, 0);
  const plans = owned.savingsPlans.length;
  if (reserved + plans === 0) return { summary: '', gaps: [] };
  const part = (share ?? 100) / 100;
  const what = [
    ...(plans > 0 ? [count(plans, 'Savings Plan')] : []),
    ...(reserved > 0 ? [count(reserved, 'Reserved Instance')] : []),
  ].join(' and ');
  const monthly = (feeOf(owned) * part * HOURS_PER_MONTH).toFixed(2);
  const of = share === undefined || share === 100 ? '' : `${share} % of `;
  return {
    summary: `, with ${of}${what} of the account, whose ${monthly} USD a month are paid whatever runs and are in no sum`,
    gaps:
      share === undefined
        ? [
            `What else of the account uses its ${what} is not known, and this cluster is taken to have all of them: say its part in percent by --commitments.`,
          ]
        : [],
  };
};
