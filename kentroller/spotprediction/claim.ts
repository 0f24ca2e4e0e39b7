import { createHash } from 'node:crypto';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import { GROUP_VERSION } from '../../api/labels.ts';
import { MADE_BY } from '../continuous/decide.ts';
import type { PredictionDecision } from './decide.ts';
import { REPLACEMENTS, SPOT_PREDICTION } from './history.ts';

/** As much as an on-demand machine costs: whatever takes the place of a node that was taken back would cost it, too. */
const MAX_PRICE_PERCENT = 300;

/** The claim that replaces nodes at risk. Its name follows from nodes and second, so that it is made once. */
export const buildClaim = (
  { replace, replacements }: Pick<PredictionDecision, 'replace' | 'replacements'>,
  now: number,
): RebalancePlanClaim => {
  const digest = createHash('sha256').update(replace.join('\n')).digest('hex').slice(0, 6);
  return {
    apiVersion: GROUP_VERSION,
    kind: 'RebalancePlanClaim',
    metadata: {
      name: `${SPOT_PREDICTION}-${Math.round(now / 1000)}-${digest}`,
      labels: { [MADE_BY]: SPOT_PREDICTION },
      annotations: { [REPLACEMENTS]: String(replacements) },
    },
    spec: {
      scope: { nodeNames: [...replace] },
      mustGo: { reason: 'SpotPrediction', maxPricePercent: MAX_PRICE_PERCENT },
      autoExecute: true,
    },
  };
};
