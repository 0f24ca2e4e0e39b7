import { isReschedulable } from '../../api/pods.ts';
import { acceptsPods, clusterOf, selectedLabelValues } from '../cluster/clusterview.ts';
import { launchOptionsOf } from '../packing/launch/launchoption.ts';
import { itemAt } from '../packing/matrix.ts';
import { compile, type Problem } from '../packing/problem.ts';
import { type ClusterFeatures, randomCluster, smallCatalogue } from './randomcluster.ts';

/** A random cluster as a problem; two of three nodes are candidates, at 0.1 USD per hour and more. */
export const randomProblem = (
  seed: number,
  nodes: number,
  pods: number,
  features: ClusterFeatures = {},
): Problem => {
  const cluster = clusterOf(randomCluster(seed, nodes, pods, features), smallCatalogue);
  const existingNodes = cluster.facts.map((facts, index) => {
    const view = itemAt(cluster.views, index);
    const isCandidate = index % 3 !== 2;
    return {
      view,
      price: isCandidate ? 0.1 + index / 100 : 0,
      isCandidate,
      acceptsPods: acceptsPods(facts),
      movable: new Set(isCandidate ? view.pods.filter(isReschedulable) : []),
    };
  });
  const { pending } = cluster;
  const movable = existingNodes.flatMap((existing) => [...existing.movable]);
  return compile({
    existingNodes,
    pending,
    launchOptions: launchOptionsOf(
      cluster.snapshot.nodePools,
      cluster.supply,
      selectedLabelValues([...pending, ...movable]),
    ),
    daemonSets: cluster.snapshot.daemonSets,
    namespaces: cluster.namespaces,
    volumes: cluster.volumes,
  });
};
