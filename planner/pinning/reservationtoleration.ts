import type { Pod, Taint, Toleration } from '../../api/objects.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';

/** Reservations that a pod may tolerate one by one: no toleration can be taken off a pod, and each plan adds one. */
const MOST_SINGLE = 8;

/**
 * What a pod lacks so that kube-scheduler and Karpenter count the node that a plan reserves for it as room, and no other
 * reserved node; empty when it lacks nothing.
 */
export const missingToleration = (
  { key, value = '', effect }: Taint,
  { spec: { tolerations = [] } }: Pick<Pod, 'spec'>,
): readonly Toleration[] => {
  if (!untoleratedTaint([{ key, value, effect }], tolerations)) return [];
  const single = tolerations.filter((own) => own.key === key).length;
  return [
    single < MOST_SINGLE ? { key, operator: 'Equal', value, effect } : { key, operator: 'Exists', effect },
  ];
};
