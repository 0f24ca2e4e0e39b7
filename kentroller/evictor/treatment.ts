import { isMarked } from '../../api/identity/marks.ts';
import type { EvictorRule } from '../../api/kinds/evictorconfig.ts';
import type { EvictAs } from '../../api/kinds/rebalanceplan.ts';
import { DISPOSABLE } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { labelsOf, namespaceOf } from '../../planner/scheduling/interpodaffinity.ts';
import { matchesLabels } from '../../planner/scheduling/nodeaffinity.ts';
import type { EvictorSettings } from './settings.ts';

/** How the evictor may treat a pod, by its settings, its rules and the pod's own mark. */
export interface Treatment {
  readonly evictAs?: EvictAs;
  /** True for a pod that a rule keeps where it is. */
  readonly isKept: boolean;
}

const matchesNode = ({ nodeSelector }: EvictorRule, node: Node): boolean =>
  nodeSelector !== undefined && matchesLabels(nodeSelector, node.metadata.labels ?? {});

const matchesPod = ({ podSelector }: EvictorRule, pod: Pod): boolean =>
  podSelector !== undefined &&
  (podSelector.namespaces?.includes(namespaceOf(pod)) ?? true) &&
  matchesLabels(podSelector, labelsOf(pod));

/** Whether a rule keeps the node. */
export const isNodeKept = (node: Node, { rules }: Pick<EvictorSettings, 'rules'>): boolean =>
  rules.some((rule) => rule.removalDisabled === true && matchesNode(rule, node));

export const treatmentOf = (
  pod: Pod,
  node: Node,
  { rules, aggressiveMode }: Pick<EvictorSettings, 'rules' | 'aggressiveMode'>,
): Treatment => {
  const own = rules.filter((rule) => matchesPod(rule, pod) || matchesNode(rule, node));
  const isKept = own.some((rule) => rule.removalDisabled === true);
  if (isMarked(pod, DISPOSABLE) || own.some((rule) => rule.disposable === true)) {
    return { evictAs: 'Disposable', isKept };
  }
  const isAggressive = aggressiveMode || own.some((rule) => rule.aggressive === true);
  return { ...(isAggressive && { evictAs: 'Aggressive' as const }), isKept };
};
