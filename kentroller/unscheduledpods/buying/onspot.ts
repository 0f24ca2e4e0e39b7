import { KARPENTER_CAPACITY_TYPE } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { withNodeAffinity } from '../../../planner/scheduling/nodeaffinity.ts';
import { asksForSpot } from '../../mustgo/fallback.ts';

/** The wish for spot as the planner reads it. */
const SPOT_FIRST = {
  weight: 100,
  preference: { matchExpressions: [{ key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['spot'] }] },
} as const;

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
