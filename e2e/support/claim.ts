import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim, RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';

/** Makes a RebalancePlanClaim for the machines of one NodePool. */
export const claimRebalance = (
  client: KubeClient,
  o: { readonly name: string; readonly pool: string; readonly spec?: Partial<RebalancePlanClaimSpec> },
): Promise<RebalancePlanClaim> =>
  client.create(REBALANCE_PLAN_CLAIMS, {
    apiVersion: 'autoscaling.cast.ai/v1alpha',
    kind: 'RebalancePlanClaim',
    metadata: { name: o.name },
    spec: {
      autoExecute: true,
      scope: {
        nodeSelector: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'karpenter.sh/nodepool', operator: 'In', values: [o.pool] }] },
          ],
        },
      },
      ...o.spec,
    },
  });

export const ENDS = ['Completed', 'Failed', 'Skipped', 'Canceled'];

/** What a claim says of itself, for the error of a wait that was in vain. */
const storyOf = ({ status }: RebalancePlanClaim): string => {
  const { state, errorMessage, skippedMessage, conditions = [] } = status ?? {};
  const said = conditions.map((c) => `${c.type}=${c.status} ${c.reason ?? ''} ${c.message ?? ''}`.trim());
  const story = [errorMessage, skippedMessage, ...said].filter((each) => each !== undefined);
  return [state ?? 'without a status', ...story].join('; ');
};

/** The plan of a claim, as soon as there is one. */
export const planOf = (client: KubeClient, claimName: string, timeoutMs = 60_000): Promise<RebalancePlan> =>
  until(
    `a plan for claim ${claimName}`,
    async () => {
      const claim = await client.get(REBALANCE_PLAN_CLAIMS, { name: claimName });
      const { rebalanceName } = claim.status ?? {};
      if (rebalanceName) return client.get(REBALANCE_PLANS, { name: rebalanceName });
      throw new Error(`the claim is ${storyOf(claim)}`);
    },
    { timeoutMs },
  );

/** Waits until the claim has ended, well or not, and returns it. */
export const claimEnded = (
  client: KubeClient,
  name: string,
  timeoutMs: number,
): Promise<RebalancePlanClaim> =>
  until(
    `claim ${name} ended`,
    async () => {
      const claim = await client.get(REBALANCE_PLAN_CLAIMS, { name });
      if (ENDS.includes(claim.status?.state ?? '')) return claim;
      throw new Error(`the claim is ${storyOf(claim)}`);
    },
    { timeoutMs, everyMs: 500 },
  );

/** Waits until the plan is in that state. */
export const planReaches = (
  client: KubeClient,
  name: string,
  what: string,
  isThere: (plan: RebalancePlan) => boolean,
  timeoutMs: number,
): Promise<RebalancePlan> =>
  until(
    `plan ${name}: ${what}`,
    async () => {
      const plan = await client.get(REBALANCE_PLANS, { name });
      return isThere(plan) ? plan : undefined;
    },
    { timeoutMs, everyMs: 100 },
  );
