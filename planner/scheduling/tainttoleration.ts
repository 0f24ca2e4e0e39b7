import type { Taint, Toleration } from '../../api/objects.ts';
import { integerOf } from './nodeaffinity.ts';

const DECIMAL = /^(0|-?[1-9]\d*)$/;

const isTolerated = (taint: Taint, toleration: Toleration): boolean => {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator ?? 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '');
    case 'Lt':
    case 'Gt': {
      const bound = DECIMAL.test(toleration.value ?? '') ? integerOf(toleration.value) : undefined;
      const have = DECIMAL.test(taint.value ?? '') ? integerOf(taint.value) : undefined;
      if (bound === undefined || have === undefined) return false;
      return toleration.operator === 'Lt' ? have < bound : have > bound;
    }
    default:
      return false;
  }
};

/** The first taint that keeps a pod with these tolerations off a node; PreferNoSchedule never does. */
export const untoleratedTaint = (
  taints: readonly Taint[],
  tolerations: readonly Toleration[] | undefined,
): Taint | undefined => {
  for (const taint of taints) {
    if (taint.effect === 'PreferNoSchedule') continue;
    if (!(tolerations ?? []).some((toleration) => isTolerated(taint, toleration))) return taint;
  }
  return undefined;
};
