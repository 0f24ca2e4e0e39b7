import type { Pod } from '../../../api/objects.ts';
import { SPOT_FIRST } from '../../../api/spotpods/wish.ts';
import { withNodeAffinity } from '../../../planner/scheduling/nodeaffinity.ts';
import { asksForSpot } from '../../mustgo/fallback.ts';

/**
 * The pod as it is bought for: on spot where it asks for spot and there is some that it may run on, whatever the price. What it
 * requires stays as it is.
 */
export const onSpotIfAsked = (pod: Pod): Pod => {
  if (!asksForSpot(pod)) return pod;
  const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return withNodeAffinity(pod, {
    preferredDuringSchedulingIgnoredDuringExecution: [SPOT_FIRST, ...preferred],
  });
};
