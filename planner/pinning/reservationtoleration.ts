import type { Pod, Taint, Toleration } from '../../api/objects.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';

/**
 * What a pod lacks so that kube-scheduler and Karpenter count the node that a plan reserves for it as room, and no other
 * reserved node; empty when it lacks nothing.
 */
export const missingToleration = (
  { key, value, effect }: Taint,
  pod: Pick<Pod, 'spec'>,
): readonly Toleration[] =>
  untoleratedTaint([{ key, ...(value !== undefined && { value }), effect }], pod.spec.tolerations)
    ? [{ key, operator: 'Equal', value: value ?? '', effect }]
    : [];
