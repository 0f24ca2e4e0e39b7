import { isInScope, mustMove, reasonsAgainst, surgesIn } from '../planner/candidate.ts';
import { clusterOf } from '../planner/cluster.ts';
import { fits } from '../planner/fit.ts';
import { provision } from '../planner/provision.ts';
import { type RebalanceRequest, rebalance } from '../planner/rebalance.ts';
import { hasLocalVolume } from '../planner/volume.ts';
import { UsageError } from './flags.ts';
import { type Input, type Outcome, requestOf } from './plan.ts';

const explainPod = (request: RebalanceRequest, name: string): string[] => {
  const cluster = clusterOf(request.snapshot, request.catalogue);
  const [namespace, podName] = name.includes('/') ? name.split('/') : ['default', name];
  const pod = cluster.snapshot.pods.find(
    (each) => each.metadata.name === podName && (each.metadata.namespace ?? 'default') === namespace,
  );
  if (!pod) throw new UsageError(`Pod ${namespace}/${podName} is not in the cluster.`);
  const { nodeName, ...spec } = pod.spec;
  const nodes = cluster.views.map((view) => ({ ...view, pods: view.pods.filter((each) => each !== pod) }));
  const lines = cluster.views.map((view) => {
    if (view.name === nodeName) return `${view.name}: it runs here`;
    const refused = fits({ ...pod, spec }, view, {
      nodes,
      namespaces: cluster.namespaces,
      volumes: cluster.volumes,
    });
    return `${view.name}: ${refused ? refused.message : 'it fits'}`;
  });
  if (nodeName) return lines;
  const alone = {
    ...request.snapshot,
    pods: request.snapshot.pods.filter((each) => each.spec.nodeName || each === pod),
  };
  const { plan, unplaced } = provision({ ...request, snapshot: alone });
  const node = plan?.savings.greenNodes?.[0];
  if (unplaced[0]) lines.push(`no node to buy for it: ${unplaced[0].reason}`);
  else if (node) lines.push(`a node to buy for it alone: ${node.instanceType} at ${node.priceHourly} USD/h`);
  return lines;
};

const explainNode = (request: RebalanceRequest, name: string): string[] => {
  const cluster = clusterOf(request.snapshot, request.catalogue);
  const facts = cluster.facts.find((each) => each.node.metadata.name === name);
  if (!facts) throw new UsageError(`Node ${name} is not in the cluster.`);
  if (!isInScope(facts.node, request.scope)) return ['it is not in scope'];
  const reasons = reasonsAgainst(facts, {
    now: request.now,
    constraints: request.constraints ?? {},
    mode: request.aggressive ?? {},
    budgets: cluster.snapshot.podDisruptionBudgets,
    hasLocalVolume: (pod) => hasLocalVolume(pod, cluster.volumes),
    surges: surgesIn(cluster.snapshot.replicaSets),
    allowedDisruptions: () => 1,
  });
  if (reasons.length > 0) return reasons.map((reason) => `it may not be replaced: ${reason}`);
  const { plan } = rebalance(request);
  const moves = (plan?.spec.podsToMigrate ?? []).filter((each) => each.srcNode === name);
  const isRemoved = plan?.savings.blueNodes?.some((each) => each.name === name) ?? false;
  return [
    `it may be replaced: ${facts.pods.filter(mustMove).length} pods would move`,
    isRemoved ? 'the plan removes it' : 'the plan keeps it',
    ...moves.map((each) => `pod ${each.namespace}/${each.name} goes to ${each.dstNodeClaimName}`),
  ];
};

/** `explain pod|node NAME`: which nodes a pod fits and why not the others; why a node is replaced, kept or left out. */
export const explainCommand = async (input: Input): Promise<Outcome> => {
  const [, what, name] = input.flags.words;
  if ((what !== 'pod' && what !== 'node') || name === undefined) {
    throw new UsageError('explain takes pod NAMESPACE/NAME or node NAME.');
  }
  const lines = (what === 'pod' ? explainPod : explainNode)(await requestOf(input, 'explain'), name);
  return { out: `${lines.join('\n')}\n`, err: [], code: 0 };
};
