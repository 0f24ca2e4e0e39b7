import type { Node } from '../../api/objects.ts';
import { isScopedNode } from '../../planner/model/nodepool.ts';
import type { PoliciesNow } from './settings.ts';

/** What keeps plans that nobody asked for within scoped mode. See docs/designs/0062-scoped-purchases.md. */

/**
 * Why a node is replaced by no plan that nobody asked for; undefined where it may be. What nobody knows of the policies keeps all nodes:
 * scoped mode may be on.
 */
export const scopeHold = (now: PoliciesNow, node: Node): string | undefined => {
  if (!now.known) return now.message;
  return now.policies.scopedMode && !isScopedNode(node)
    ? 'scoped mode is on, and the node is not of it'
    : undefined;
};

/** Names of the nodes that such plans may replace; undefined for all of them. */
export const scopedNames = (now: PoliciesNow, nodes: readonly Node[]): readonly string[] | undefined => {
  const free = nodes.filter((node) => scopeHold(now, node) === undefined);
  return free.length === nodes.length ? undefined : free.map(({ metadata }) => metadata.name);
};
