import type { StateNode } from '../planner/cluster/candidate.ts';
import type { Cluster } from '../planner/cluster/clusterview.ts';
import type { NodeInfo } from '../planner/scheduling/fit.ts';

/** A node's facts for the planner, and its view for the scheduler. */
export interface ClusterNode {
  readonly facts: StateNode;
  readonly view: NodeInfo;
}

/** The nodes of a cluster, facts and view side by side. */
export const clusterNodesOf = ({ facts, views }: Pick<Cluster, 'facts' | 'views'>): readonly ClusterNode[] =>
  facts.map((each, index) => {
    const view = views[index];
    if (!view) throw new Error(`node ${each.node.metadata.name} has no view`);
    return { facts: each, view };
  });
