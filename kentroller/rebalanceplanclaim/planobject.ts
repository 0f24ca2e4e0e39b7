import { derivedName, labelValueOf } from '../../api/identity/names.ts';
import type { MustGo } from '../../api/kinds/mustgo.ts';
import type { RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim, RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import { DRAINING_SPOT_FALLBACK, DRAINING_SPOT_PREDICTION, GROUP_VERSION } from '../../api/labels.ts';
import type { OwnerReference } from '../../api/objects.ts';
import type { PlanningRequest } from './plannerworker.ts';

/** Label of a plan: the name of the RebalancePlanClaim that it was generated for, as a label value. */
export const CLAIM_LABEL = 'autoscaling.cast.ai/rebalance-plan-claim';

/** Annotation of a plan that is one of several: its part and their number, such as 2/5. */
export const PLAN_PART = 'autoscaling.cast.ai/rebalance-plan-part';

/** Characters of a uid that tell two claims of the same name apart. */
const UID_PREFIX = 8;
/** A plan's name is short enough for `-1234-attempt-12` to follow it in a NodeClaim's name, so its uid is never cut off. */
const MAX_PLAN_NAME = 47;

/** The claim that owns a plan; undefined for a plan that was created by hand or by the continuous cycle. */
export const claimOf = (plan: RebalancePlan): OwnerReference | undefined =>
  plan.metadata.ownerReferences?.find(
    (owner) => owner.kind === 'RebalancePlanClaim' && owner.apiVersion === GROUP_VERSION,
  );

/**
 * The name of a claim's plan, or of one of its parts, the same in every process: a restart finds the plan in place of
 * creating a second.
 */
export const planNameFor = (claim: RebalancePlanClaim, part = 1): string => {
  const uid = (claim.metadata.uid ?? '').slice(0, UID_PREFIX);
  return derivedName(claim.metadata.name, `-${uid}${part > 1 ? `-p${part}` : ''}`, MAX_PLAN_NAME);
};

export const claimLabelOf = (claim: RebalancePlanClaim): string => labelValueOf(claim.metadata.name);

/** The value of PLAN_PART for one of several plans. */
export const partOf = (part: number, parts: number): string => `${part}/${parts}`;

/** Whether plans are all parts of one decision; a plan without PLAN_PART is one by itself. */
export const isWholeDecision = (plans: readonly RebalancePlan[]): boolean => {
  const parts = plans.map(({ metadata }) => metadata.annotations?.[PLAN_PART] ?? partOf(1, 1));
  return plans.length > 0 && plans.every((_, at) => parts.includes(partOf(at + 1, plans.length)));
};

export const planIdOf = (plan: RebalancePlan): string => (plan.metadata.uid ?? '').slice(0, UID_PREFIX);

/** A claim's aggressive mode as its plan's: the executor judges nodes and pods again by what they were planned with. */
export const aggressiveModeOf = (
  aggressive: RebalancePlanClaimSpec['aggressiveModeConfig'],
): Pick<RebalancePlanSpec, 'aggressiveMode'> => {
  const isAnySet = Object.values(aggressive ?? {}).some((value) => value !== false);
  return aggressive && isAnySet ? { aggressiveMode: aggressive } : {};
};

const DRAINED_FOR: Readonly<Partial<Record<MustGo['reason'], RebalancePlanSpec['drainReason']>>> = {
  SpotPrediction: DRAINING_SPOT_PREDICTION,
  SpotFallbackRestore: DRAINING_SPOT_FALLBACK,
};

/** What a plan for nodes that must go calls its drains. */
export const drainReasonOf = (mustGo: MustGo | undefined): Pick<RebalancePlanSpec, 'drainReason'> => {
  const drainReason = mustGo && DRAINED_FOR[mustGo.reason];
  return drainReason ? { drainReason } : {};
};

/** The nodes of a claim that must go, as the planner is asked for them. */
export const mustGoNodes = ({ mustGo, scope }: RebalancePlanClaimSpec): Pick<PlanningRequest, 'mustGo'> =>
  mustGo && scope?.nodeNames
    ? { mustGo: Object.fromEntries(scope.nodeNames.map((name) => [name, mustGo])) }
    : {};

/** What a claim's plans must save at least, to be stored and to be executed, as the planner is asked for it. */
export const leastSavingsOf = ({
  minSavingsPercentage,
  executionPolicy,
}: RebalancePlanClaimSpec): Pick<PlanningRequest, 'leastSavings'> => {
  const asked = [minSavingsPercentage, executionPolicy?.achievedSavingsPercentageThreshold];
  const given = asked.flatMap((each) => (each === undefined ? [] : [Number(each)]));
  return given.length === 0 ? {} : { leastSavings: { percent: Math.max(...given) } };
};

/** The RebalancePlan to apply: the planner's spec with the claim's execution settings. `part` counts from 1. */
export const buildPlan = (
  claim: RebalancePlanClaim,
  spec: RebalancePlanSpec,
  part = 1,
): RebalancePlan & { readonly spec: RebalancePlanSpec } => {
  const { aggressiveModeConfig, executionPolicy, timeouts } = claim.spec;
  const name = claim.metadata.name;
  return {
    metadata: {
      name: planNameFor(claim, part),
      labels: { [CLAIM_LABEL]: claimLabelOf(claim) },
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
      ...drainReasonOf(claim.spec.mustGo),
      ...aggressiveModeOf(aggressiveModeConfig),
      ...(executionPolicy && { executionPolicy }),
      ...(timeouts && { timeouts }),
    },
  };
};
