import { AWAITS_PLAN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { mapConcurrently } from '../../kube/concurrency.ts';
import { isConflict, isForbidden, isNotFound, isTerminal } from '../../kube/errors.ts';
import { writeNomination } from '../../kube/nomination.ts';

/**
 * Nominations of pods that a plan is about to be made for, so that Karpenter buys nothing for them. kube-scheduler does not
 * know the name, tries the pod anywhere as before, and takes the nomination off when that fails.
 */

const MAX_CONCURRENT = 32;

type Looking = { readonly client: Pick<KubeClient, 'patch'>; readonly signal: AbortSignal };

/** Writes or removes the nomination of pods; returns those where it was written. */
const nominate = async (
  looking: Looking,
  pods: readonly Pod[],
  nominatedNodeName: string | null,
): Promise<readonly Pod[]> => {
  const results = await mapConcurrently(pods, MAX_CONCURRENT, (pod) =>
    writeNomination(looking, pod, nominatedNodeName),
  );
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    // A pod that has changed is looked at again. Of one that was bound meanwhile the API server refuses the nomination as
    // invalid, and a policy may refuse that of another.
    const { reason } = result;
    const isOfThisPod = isNotFound(reason) || isConflict(reason) || isTerminal(reason);
    if (!isOfThisPod && !(isForbidden(reason) && results.some(({ status }) => status === 'fulfilled')))
      throw reason;
  }
  return pods.filter((_, at) => results[at]?.status === 'fulfilled');
};

export const holdPods = (looking: Looking, pods: readonly Pod[]): Promise<readonly Pod[]> =>
  nominate(looking, pods, AWAITS_PLAN);

export const releasePods = (looking: Looking, pods: readonly Pod[]): Promise<readonly Pod[]> =>
  nominate(looking, pods, null);
