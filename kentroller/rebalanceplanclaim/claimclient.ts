import { fitting } from '../../api/kinds/fit.ts';
import {
  type RebalancePlanClaim,
  type RebalancePlanClaimStatus,
  rebalancePlanClaim,
} from '../../api/kinds/rebalanceplanclaim.ts';
import { REBALANCE_PLAN_CLAIMS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { getIfServed } from '../../kube/ignore.ts';

const fitStatus = fitting<RebalancePlanClaimStatus>(rebalancePlanClaim.shape.status.unwrap());

/** Reads the claim from the API server, not from the cache; undefined when it does not exist. */
export const readClaim = async (
  client: KubeClient,
  name: string,
  signal: AbortSignal,
): Promise<RebalancePlanClaim | undefined> =>
  getIfServed(client.get(REBALANCE_PLAN_CLAIMS, { name }, { signal }));

/** Replaces a claim's status, cut to what fits. Throws a conflict when the claim has changed since it was read. */
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
      status: fitStatus({
        ...status,
        ...(claim.metadata.generation !== undefined && { observedGeneration: claim.metadata.generation }),
      }),
    },
    { subresource: 'status', signal },
  );
