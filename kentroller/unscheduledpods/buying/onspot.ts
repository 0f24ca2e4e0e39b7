import { KARPENTER_CAPACITY_TYPE } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
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
  const { affinity } = pod.spec;
  const { nodeAffinity } = affinity ?? {};
  const preferred = nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return {
    ...pod,
    spec: {
      ...pod.spec,
      affinity: {
        ...affinity,
        nodeAffinity: {
          ...nodeAffinity,
          preferredDuringSchedulingIgnoredDuringExecution: [SPOT_FIRST, ...preferred],
        },
      },
    },
  };
};
