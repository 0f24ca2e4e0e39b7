import type { RebalancePlanClaim, RebalancePlanClaimStatus } from '../../api/kinds/rebalanceplanclaim.ts';
import { REBALANCE_PLAN_CLAIMS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { getOrUndefined } from '../../kube/ignore.ts';

/** Reads the claim from the API server, not from the cache; undefined when it does not exist. */
export const readClaim = async (
  client: KubeClient,
  name: string,
  signal: AbortSignal,
): Promise<RebalancePlanClaim | undefined> =>
  getOrUndefined(client.get(REBALANCE_PLAN_CLAIMS, { name }, { signal }));

/** Replaces a claim's status. Throws a conflict when the claim has changed since it was read. */
export const writeClaimStatus = async (
  client: KubeClient,
  claim: RebalancePlanClaim,
  status: RebalancePlanClaimStatus,
  signal: AbortSignal,
): Promise<RebalancePlanClaim> =>
  client.replace(
    REBALANCE_PLAN_CLAIMS,
    {
      ...claim,
      status: {
        ...status,
        ...(claim.metadata.generation !== undefined && { observedGeneration: claim.metadata.generation }),
      },
    },
    { subresource: 'status', signal },
  );
