import { parseGoDuration } from '../../api/duration.ts';
import { KARPENTER_DO_NOT_DISRUPT } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';

/**
 * Whether karpenter.sh/do-not-disrupt protects a pod now (milliseconds since 1970): 'true' always, a duration until so
 * long after the pod's start. Without a start time it is protected; any other value counts for nothing, as in Karpenter.
 */
export const isProtected = ({ metadata, status }: Pod, now: number): boolean => {
  if (metadata.labels?.[KARPENTER_DO_NOT_DISRUPT] === 'true') return true;
  const value = metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT];
  if (value === undefined || value === 'true') return value === 'true';
  const duration = parseGoDuration(value);
  if (duration === undefined || duration <= 0) return false;
  const start = Date.parse(status?.startTime ?? '');
  return Number.isNaN(start) || now < start + duration;
};
