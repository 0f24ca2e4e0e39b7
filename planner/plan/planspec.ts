import { derivedName, MAX_NODE_CLAIM_NAME } from '../../api/identity/names.ts';
import type {
  NodeClaimToAdd,
  NodeCost,
  PodToMigrate,
  RebalancePlanSpec,
} from '../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import type { StateNode } from '../cluster/candidate.ts';
import type { Cluster } from '../cluster/clusterview.ts';
import { limitsBesidePlan } from '../cluster/nodepoollimits.ts';
import { isStarting } from '../cluster/startingnodes.ts';
import type { Bill } from '../model/billing.ts';
import { itemAt } from '../packing/matrix.ts';
import type { Problem } from '../packing/problem.ts';
import { namespaceOf } from '../scheduling/interpodaffinity.ts';
import { AlternativeFinder, type Diversity } from './alternatives.ts';
import type { Assignment } from './assignment.ts';
import { writeNodeClaim } from './nodeclaim.ts';
import { greenNode } from './savings.ts';

/** Room for the ending of a further attempt, such as `-attempt-12`. */
const ATTEMPT_ROOM = 11;

/** The name of a plan's n-th claim, counted from 1. */
export const claimName = (planName: string, n: number): string =>
  derivedName(planName, `-${n}`, MAX_NODE_CLAIM_NAME - ATTEMPT_ROOM);

type Destination = Pick<PodToMigrate, 'dstNodeClaimName' | 'dstNodeName' | 'dstNodeUID'>;

const migration = (pod: Pod, destination: Destination): PodToMigrate => {
  const owner = controllerOf(pod);
  return {
    name: pod.metadata.name,
    namespace: namespaceOf(pod),
    srcNode: pod.spec.nodeName ?? '',
    ...destination,
    ...(owner && { owner: { kind: owner.kind, name: owner.name, uid: owner.uid } }),
  };
};

/** How a plan names a node for a pod. Pods that wait find nodes without a NodeClaim, and those that start, by themselves. */
const destinationFor = ({ spec }: Pod, facts: StateNode): Destination | undefined => {
  if (isStarting(facts)) return undefined;
  if (facts.claim) return { dstNodeClaimName: facts.claim.metadata.name };
  const { name, uid } = facts.node.metadata;
  return spec.nodeName ? { dstNodeName: name, ...(uid && { dstNodeUID: uid }) } : undefined;
};

/**
 * Writes an assignment as the spec of a plan. `green` has each new node at what it adds to `bill`, which is that of the
 * nodes that stay; `raised` is what minValues added to the prices of the search, in USD per hour.
 */
export const writePlan = (
  problem: Problem,
  cluster: Cluster,
  assignment: Assignment,
  planName: string,
  bill: Bill,
  o: { readonly spotFallback?: boolean; readonly diversity?: Diversity } = {},
): { readonly spec: RebalancePlanSpec; readonly green: NodeCost[]; readonly raised: number } => {
  const nodeClaimsToAdd: NodeClaimToAdd[] = [];
  const podsToMigrate: PodToMigrate[] = [];
  const green: NodeCost[] = [];
  let raised = 0;
  const limits = limitsBesidePlan(
    cluster.snapshot.nodePools,
    problem.poolUsage,
    assignment.bought.map(({ option }) => [option.launchOption.pool.metadata.name, option.launchOption.type]),
    problem.clusterCores,
  );
  const finder = new AlternativeFinder(problem, o);
  assignment.bought.forEach((node, index) => {
    const name = claimName(planName, index + 1);
    const { claim, option } = writeNodeClaim(problem, cluster.snapshot, finder, node, name, limits);
    nodeClaimsToAdd.push(claim);
    const before = bill.total();
    bill.count(option, 1);
    if (node.option.most !== undefined) raised += node.option.price - option.price;
    green.push(greenNode(name, option, bill.total() - before));
    for (const pod of node.pods) podsToMigrate.push(migration(pod, { dstNodeClaimName: name }));
  });
  for (const { pod, node } of assignment.moves) {
    const facts = cluster.facts[node];
    const destination = facts && destinationFor(pod, facts);
    if (destination) podsToMigrate.push(migration(pod, destination));
  }
  const nodeClaimsToDelete = assignment.removed.flatMap((node) => {
    const claim = itemAt(cluster.facts, node).claim;
    return claim ? [{ nodeClaimName: claim.metadata.name }] : [];
  });
  return { spec: { execute: false, nodeClaimsToAdd, nodeClaimsToDelete, podsToMigrate }, green, raised };
};
