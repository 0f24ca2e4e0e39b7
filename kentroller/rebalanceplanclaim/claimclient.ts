import type { RebalancePlanClaim, RebalancePlanClaimStatus } from '../../api/kinds/rebalanceplanclaim.ts';
import { REBALANCE_PLAN_CLAIMS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { getOrUndefined } from '../../kube/ignore.ts';

/** The claim as the API server has it now; undefined when it is gone. */
export const readClaim = async (
  client: KubeClient,
  name: string,
  signal: AbortSignal,
): Promise<RebalancePlanClaim | undefined> => {
  return await getOrUndefined(client.get(REBALANCE_PLAN_CLAIMS, { name }, { signal }));
};

/** Writes a claim's status on the state that it was read in; a conflict means: look again. */
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
        ...(claim.metadata.generation === undefined ? {} : { observedGeneration: claim.metadata.generation }),
      },
    },
    { subresource: 'status', signal },
  );
