import type { ExpectedPods, RebalancePlan, Savings } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import { REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import { FIELD_MANAGER } from '../rebalanceplan/create/unavailable.ts';
import { specHashOf } from '../rebalanceplan/state/spechash.ts';
import { CLAIM_LABEL, claimLabelOf, claimOf, isWholeDecision, PLAN_PART, partOf } from './planobject.ts';

/** A plan as it is to be stored, with the savings that it projects and the replicas that it has room for. */
export interface NewPlan {
  readonly plan: RebalancePlan;
  readonly savings: Savings;
  readonly expectedPods?: readonly ExpectedPods[] | undefined;
}

/**
 * Stores the plans of one decision, each with its savings and frozen, and sets `execute` on those that have it once all are there:
 * no plan starts before its savings are recorded, or without the others. Returns the plans as stored.
 */
export const storePlans = async (
  client: KubeClient,
  plans: readonly NewPlan[],
  signal: AbortSignal,
): Promise<readonly RebalancePlan[]> => {
  const apply = { fieldManager: FIELD_MANAGER, force: true, signal };
  const part = (at: number): object => ({ annotations: { [PLAN_PART]: partOf(at + 1, plans.length) } });
  const marked = plans.map(({ plan, ...status }, at) => ({
    plan: { ...plan, metadata: { ...plan.metadata, ...(plans.length > 1 && part(at)) } },
    ...status,
  }));
  const stored: RebalancePlan[] = [];
  for (const { plan, savings, expectedPods } of marked) {
    const { name } = plan.metadata;
    await client.apply(REBALANCE_PLANS, { ...plan, spec: { ...plan.spec, execute: false } }, apply);
    const specHash = specHashOf(plan.spec);
    const status = { status: { savings, specHash, ...(expectedPods?.length && { expectedPods }) } };
    stored.push(await client.patch(REBALANCE_PLANS, { name }, status, { subresource: 'status', signal }));
  }
  for (const [at, { plan }] of marked.entries()) {
    if (plan.spec.execute) stored[at] = await client.apply(REBALANCE_PLANS, plan, apply);
  }
  return stored;
};

/** All plans of a claim, from the API server. */
const plansOf = async (
  client: KubeClient,
  claim: RebalancePlanClaim,
  signal: AbortSignal,
): Promise<readonly RebalancePlan[]> => {
  const labelSelector = `${CLAIM_LABEL}=${claimLabelOf(claim)}`;
  const { items } = await client.list(REBALANCE_PLANS, { labelSelector, signal });
  return items.filter((plan) => claimOf(plan)?.uid === claim.metadata.uid);
};

/** The plans that were stored for a claim, in the order of their parts; empty when they are not all there. */
export const findPlans = async (
  client: KubeClient,
  claim: RebalancePlanClaim,
  signal: AbortSignal,
): Promise<readonly RebalancePlan[]> => {
  const own = await plansOf(client, claim, signal);
  const isStored = isWholeDecision(own) && own.every((plan) => plan.status?.savings);
  return isStored
    ? own.toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name, 'en', { numeric: true }))
    : [];
};

/** Executes plans that an earlier process stored and did not get to execute. */
export const startPlans = async (
  client: KubeClient,
  plans: readonly RebalancePlan[],
  signal: AbortSignal,
): Promise<readonly RebalancePlan[]> => {
  const executed: RebalancePlan[] = [];
  for (const plan of plans) {
    const { name } = plan.metadata;
    const body = { spec: { execute: true } };
    executed.push(plan.spec.execute ? plan : await client.patch(REBALANCE_PLANS, { name }, body, { signal }));
  }
  return executed;
};

/**
 * Deletes plans of an earlier, interrupted attempt that the decision no longer has, or has otherwise: what was shown is
 * frozen. None of them was executed.
 */
export const dropOtherPlans = async (
  client: KubeClient,
  claim: RebalancePlanClaim,
  kept: readonly RebalancePlan[],
  signal: AbortSignal,
): Promise<void> => {
  const hashes = new Map(kept.map(({ metadata, spec }) => [metadata.name, specHashOf(spec)]));
  for (const { metadata, spec } of await plansOf(client, claim, signal)) {
    const { name, uid } = metadata;
    if (hashes.get(name) === specHashOf(spec)) continue;
    await client
      .delete(REBALANCE_PLANS, { name }, { ...(uid && { uid }), signal })
      .catch(ignoreNotFoundOrConflict);
  }
};
