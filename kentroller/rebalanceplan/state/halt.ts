import { isReady } from '../../../api/nodes.ts';
import type { Node } from '../../../api/objects.ts';
import type { ExecutionLimits, ExecutionState } from './state.ts';

export const countUnready = (nodes: readonly Node[]): ExecutionState['clusterNodes'] => ({
  total: nodes.length,
  unready: nodes.filter((node) => !isReady(node)).length,
});

/** Why no plan starts: too many nodes are unready; undefined when plans start. */
export const haltReason = (
  { total, unready }: ExecutionState['clusterNodes'],
  limits: Pick<ExecutionLimits, 'haltNodes' | 'haltPercent'>,
): string | undefined =>
  unready > limits.haltNodes && unready * 100 > total * limits.haltPercent
    ? `${unready} of ${total} nodes are unready: no plan starts`
    : undefined;
