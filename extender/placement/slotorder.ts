import type { Node, Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { matchesNodeSelector } from '../../planner/scheduling/nodeaffinity.ts';
import type { Slot } from './slotcount.ts';
import type { State } from './state.ts';

/** The node of an intent with its labels, as it is or as it was ordered; undefined while neither is known. */
export const nodeOfIntent = (
  { nodes, store }: Pick<State, 'nodes' | 'store'>,
  { nodeName }: Intent,
): Pick<Node, 'metadata'> | undefined => {
  if (nodeName === '') return undefined;
  const ordered = store.by('node', nodeName).find(({ intent }) => intent.node)?.intent.node;
  return nodes.get(nodeName) ?? (ordered && { metadata: { name: nodeName, labels: ordered.labels } });
};

/** The weight of the preferred node affinity that a slot's node meets. */
const weightOn = (state: Pick<State, 'nodes' | 'store'>, { spec }: Pod, intent: Intent): number => {
  const preferred = spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  if (preferred.length === 0) return 0;
  const node = nodeOfIntent(state, intent);
  if (!node) return 0;
  const { labels = {}, name } = node.metadata;
  return preferred
    .filter(({ preference }) => matchesNodeSelector({ nodeSelectorTerms: [preference] }, labels, name))
    .reduce((sum, { weight }) => sum + weight, 0);
};

/**
 * Slots in the order in which a pod takes them: on nodes that it prefers first, since the plan has kept what a moved pod had of its
 * preferences, then those with the most free.
 */
export const inOrderFor = <T extends Pick<Slot, 'intent' | 'free'>>(
  state: Pick<State, 'nodes' | 'store'>,
  pod: Pod,
  slots: readonly T[],
): readonly T[] =>
  slots
    .map((slot) => ({ slot, weight: weightOn(state, pod, slot.intent) }))
    .sort((a, b) => b.weight - a.weight || b.slot.free - a.slot.free)
    .map(({ slot }) => slot);
