import type { RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim, RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import { GROUP_VERSION } from '../../api/labels.ts';
import type { OwnerReference } from '../../api/objects.ts';

/** On a plan: the RebalancePlanClaim that asked for it. */
export const CLAIM_LABEL = 'autoscaling.cast.ai/rebalance-plan-claim';

const SHORT = 8;
const MAX_NAME = 50;

/** The claim that a plan was made for; undefined for plans that nobody claimed. */
export const claimOf = (plan: RebalancePlan): OwnerReference | undefined =>
  plan.metadata.ownerReferences?.find(
    (owner) => owner.kind === 'RebalancePlanClaim' && owner.apiVersion === GROUP_VERSION,
  );

/** The same claim gets the same plan name, so that a plan is never made twice for it. */
export const planNameFor = (claim: RebalancePlanClaim): string => {
  const ending = (claim.metadata.uid ?? '').slice(0, SHORT);
  return `${claim.metadata.name.slice(0, MAX_NAME).replace(/[-.]+$/, '')}-${ending}`;
};

export const planIdOf = (plan: RebalancePlan): string => (plan.metadata.uid ?? '').slice(0, SHORT);

/** What of a claim's aggressive mode is about carrying a plan out. */
export const aggressiveModeOf = (
  aggressive: RebalancePlanClaimSpec['aggressiveModeConfig'],
): Pick<RebalancePlanSpec, 'aggressiveMode'> => {
  const aggressiveMode = {
    ...(aggressive?.drainTimeout ? { drainTimeout: aggressive.drainTimeout } : {}),
    ...(aggressive?.ignoreZeroNodePoolDisruptionBudgets ? { ignoreZeroNodePoolDisruptionBudgets: true } : {}),
    ...(aggressive?.aggressiveEviction ? { aggressiveEviction: true } : {}),
  };
  return Object.keys(aggressiveMode).length > 0 ? { aggressiveMode } : {};
};

/** The plan as it is applied: the planner's spec with what the claim says about carrying it out. */
export const buildPlan = (
  claim: RebalancePlanClaim,
  spec: RebalancePlanSpec,
): RebalancePlan & { readonly spec: RebalancePlanSpec } => {
  const { aggressiveModeConfig, executionPolicy, timeouts } = claim.spec;
  const name = claim.metadata.name;
  return {
    metadata: {
      name: planNameFor(claim),
      ...(name.length <= 63 ? { labels: { [CLAIM_LABEL]: name } } : {}),
      ownerReferences: [
        {
          apiVersion: GROUP_VERSION,
          kind: 'RebalancePlanClaim',
          name,
          uid: claim.metadata.uid ?? '',
          controller: true,
        },
      ],
    },
    spec: {
      ...spec,
      execute: claim.spec.autoExecute === true,
      ...aggressiveModeOf(aggressiveModeConfig),
      ...(executionPolicy ? { executionPolicy } : {}),
      ...(timeouts ? { timeouts } : {}),
    },
  };
};
