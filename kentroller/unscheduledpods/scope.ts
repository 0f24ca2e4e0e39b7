import type { NodePool, Pod } from '../../api/objects.ts';
import { isForPlansAlone, SCOPE_LABELS, SCOPE_TAINT, saysScope } from '../../planner/model/nodepool.ts';
import { untoleratedTaint } from '../../planner/scheduling/tainttoleration.ts';
import { selectsOnly } from './pods.ts';

/** How a pod stands to scoped mode: one with the selector and without the toleration is misconfigured. */
export type Standing = 'in' | 'out' | 'misconfigured';

const selectedLabel = (pod: Pod): string | undefined =>
  Object.entries(SCOPE_LABELS).find(([key, value]) => selectsOnly(pod, key, (each) => each === value))?.[0];

export const standingOf = (pod: Pod): Standing => {
  if (selectedLabel(pod) === undefined) return 'out';
  return untoleratedTaint([SCOPE_TAINT], pod.spec.tolerations) === undefined ? 'in' : 'misconfigured';
};

/** Whether Karpenter can buy nothing for pods in scope: no NodePool that it uses gives the labels that they select. */
export const isKarpenterOut = (pools: readonly NodePool[]): boolean =>
  pools.every((pool) => isForPlansAlone(pool) || !saysScope(pool));

/** What a misconfigured pod is told. */
export const misconfiguration = (pod: Pod): string => {
  const key = selectedLabel(pod) ?? '';
  return `No node is bought for this pod: it selects ${key} and does not tolerate the taint ${SCOPE_TAINT.key}:${SCOPE_TAINT.effect} of nodes that are bought in scoped mode. Add the toleration, or take the selector away.`;
};
