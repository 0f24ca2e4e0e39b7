import { type MustGo, maxPricePercentOf, mostInPlaceOf } from '../api/kinds/mustgo.ts';
import type { EvictAs, RebalancePlanSpec } from '../api/kinds/rebalanceplan.ts';
import { mustGet } from '../api/mustget.ts';
import type { Node } from '../api/objects.ts';
import { isReschedulable, podName } from '../api/pods.ts';
import { valueAt } from '../api/records/valueat.ts';
import { type Blocker, messagesOf } from './cluster/blocker.ts';
import {
  disruptionBlockers,
  isInScope,
  type NodeConstraints,
  type Scope,
  type StateNode,
} from './cluster/candidate.ts';
import { acceptsPods, billedOf, type Cluster } from './cluster/clusterview.ts';
import { allowedDisruptionsByPool } from './cluster/disruptionbudget.ts';
import { type AggressiveMode, createSurgeCheck } from './cluster/evictionblocker.ts';
import { type InterruptionPolicy, podRiskOf } from './model/interruption.ts';
import { capacityTypeOf, typeOf } from './model/standingmachine.ts';
import type { ExistingNode } from './packing/existingnode.ts';
import { itemAt } from './packing/matrix.ts';
import { noMovesReason } from './scheduling/destination.ts';
import { readAmounts } from './scheduling/nodeinfo.ts';
import { allPartedHolders } from './scheduling/volumes/shared.ts';
import { hasLocalVolume } from './scheduling/volumes.ts';

/** USD per hour that the replacement of a node has to be below its limit: it goes for the same price, too. */
const MARGIN = 1e-7;

/** What tells which nodes a plan may replace. */
export interface SelectionRequest {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly scope?: Scope;
  readonly constraints?: NodeConstraints;
  readonly aggressive?: AggressiveMode;
  /** What pods may be evicted past beyond that, by 'namespace/name'. */
  readonly evictAs?: Readonly<Record<string, EvictAs>>;
  /** Nodes in scope that must go, by name, whether or not that saves money. */
  readonly mustGo?: Readonly<Record<string, MustGo>>;
  /** Names of nodes that no pod is moved to, beside those that must go. */
  readonly closedNodes?: readonly string[];
  /** Whether pods are moved to nodes that Karpenter does not own; true by default. */
  readonly movesToOthersNodes?: boolean;
  /** Whether a Deployment's only pod gets a surge where no annotation says so; false by default. */
  readonly surgeSingleReplicas?: boolean;
  /** Names of the schedulers whose pods may be moved; our own when left out. */
  readonly schedulers?: readonly string[];
}

/** A node in scope that may not be replaced, and why. */
export interface SkippedNode {
  readonly name: string;
  readonly reasons: string[];
  /** What the reasons are about; a remote planner gives the reasons alone. */
  readonly blockers?: readonly Blocker[];
}

export interface Selection {
  readonly candidates: ReadonlySet<number>;
  readonly skipped: readonly SkippedNode[];
}

export const skippedNode = (name: string, blockers: readonly Blocker[]): SkippedNode => ({
  name,
  reasons: messagesOf(blockers),
  blockers,
});

/** The price of the part of a node that no pod requests, by the mean of CPU and memory, in USD per hour. */
const unusedPrice = (cluster: Cluster, index: number): number => {
  const { node, price } = itemAt(cluster.facts, index);
  const { free } = itemAt(cluster.views, index);
  const all = readAmounts(node.status?.allocatable);
  const share = (resource: string): number => (free.get(resource) ?? 0) / Math.max(1, all.get(resource) ?? 0);
  return ((price ?? 0) * (share('cpu') + share('memory'))) / 2;
};

/** Why a node must go; undefined for one that goes only to save money. */
export const mustGoOf = ({ mustGo }: Pick<SelectionRequest, 'mustGo'>, node: Node): MustGo | undefined =>
  valueAt(mustGo, node.metadata.name);

/** Which nodes in scope may be replaced, and why the others may not. */
export const select = (cluster: Cluster, request: SelectionRequest): Selection => {
  const skipped: SkippedNode[] = [];
  const candidates: number[] = [];
  const holders = allPartedHolders(cluster.snapshot.pods, cluster.volumes);
  const willSurge = createSurgeCheck(cluster.snapshot.replicaSets, request.surgeSingleReplicas ?? false);
  const budgets = allowedDisruptionsByPool(cluster.facts, request.now);
  cluster.facts.forEach((facts, index) => {
    if (!isInScope(facts.node, request.scope)) return;
    const mustGo = mustGoOf(request, facts.node);
    const blockers = disruptionBlockers(facts, {
      now: request.now,
      constraints: request.constraints ?? {},
      mustGo: mustGo !== undefined,
      // A node that stands in for spot has no end of its own, and waits for the end of the shift.
      leavesShiftedZone: mustGo !== undefined && mustGo.reason !== 'SpotFallbackRestore',
      mode: request.aggressive ?? {},
      budgets: cluster.snapshot.podDisruptionBudgets,
      allowedDisruptions: (pool) => mustGet(budgets, pool.metadata.name, 'disruption budget of NodePool'),
      hasLocalVolume: (pod) => hasLocalVolume(pod, cluster.volumes),
      willSurge,
      waitsForVolumeOf: (pod) => holders.get(pod),
      evictAs: (pod) => valueAt(request.evictAs, podName(pod)),
      ...(request.schedulers && { schedulers: request.schedulers }),
    });
    if (blockers.length === 0) candidates.push(index);
    else skipped.push(skippedNode(facts.node.metadata.name, blockers));
  });
  const most = request.constraints?.maxNodes ?? candidates.length;
  const last = (index: number): number =>
    mustGoOf(request, itemAt(cluster.facts, index).node) === undefined ? 1 : 0;
  candidates.sort((a, b) => last(a) - last(b) || unusedPrice(cluster, b) - unusedPrice(cluster, a) || a - b);
  for (const index of candidates.slice(most)) {
    const cause = `no more than ${most} nodes may be replaced, and others have more unused capacity`;
    const blocker: Blocker = { kind: 'most-nodes', cause, message: cause };
    skipped.push(skippedNode(itemAt(cluster.facts, index).node.metadata.name, [blocker]));
  }
  return { candidates: new Set(candidates.slice(0, most).sort((a, b) => a - b)), skipped };
};

/** USD per hour that a plan may spend beyond the price of a node to be rid of it: none where it need not go. */
export const premiumOf = ({ price = 0, unreserved }: StateNode, mustGo: MustGo | undefined): number =>
  mostInPlaceOf({ price, unreserved }, mustGo && maxPricePercentOf(mustGo)) - price;

/** The nodes as the packing sees them. */
export const existingNodesOf = (
  cluster: Cluster,
  candidates: ReadonlySet<number>,
  request: Pick<SelectionRequest, 'mustGo' | 'closedNodes' | 'movesToOthersNodes'> & {
    readonly interruption?: InterruptionPolicy;
  },
): ExistingNode[] => {
  const closed = new Set(request.closedNodes);
  return cluster.facts.map((facts, index) => {
    const isCandidate = candidates.has(index);
    const mustGo = mustGoOf(request, facts.node);
    const view = itemAt(cluster.views, index);
    return {
      view,
      price: isCandidate ? (facts.price ?? 0) : 0,
      billed: billedOf(facts),
      podRisk: podRiskOf(typeOf(facts.node), capacityTypeOf(facts.node), request.interruption),
      ...(isCandidate && mustGo && { premium: premiumOf(facts, mustGo) + MARGIN }),
      isCandidate,
      acceptsPods:
        mustGo === undefined &&
        noMovesReason(facts) === undefined &&
        (facts.claim !== undefined || request.movesToOthersNodes !== false) &&
        !closed.has(facts.node.metadata.name) &&
        acceptsPods(facts),
      movable: new Set(isCandidate ? view.pods.filter(isReschedulable) : []),
    };
  });
};

/** The selection with the nodes that must go and stay, as no place for their pods is within their limits. */
export const withoutPlace = (
  selection: Selection,
  cluster: Cluster,
  request: Pick<SelectionRequest, 'mustGo'>,
  removed: ReadonlySet<number>,
): Selection => {
  const skipped = [...selection.candidates].flatMap((index): SkippedNode[] => {
    const { node, unreserved } = itemAt(cluster.facts, index);
    const mustGo = mustGoOf(request, node);
    if (!mustGo || removed.has(index)) return [];
    const where = unreserved === undefined ? '' : ' outside of its reservation';
    const cause = `no place for its pods was found that costs at most ${maxPricePercentOf(mustGo)} % of what it costs${where}`;
    return [skippedNode(node.metadata.name, [{ kind: 'no-place', cause, message: cause }])];
  });
  return { ...selection, skipped: [...selection.skipped, ...skipped] };
};

/** The plan with the reason and the limit on each node that must go. */
export const withMustGo = (
  spec: RebalancePlanSpec,
  { facts }: Cluster,
  request: Pick<SelectionRequest, 'mustGo'>,
): RebalancePlanSpec => {
  if (request.mustGo === undefined) return spec;
  const nodes = new Map(facts.map(({ claim, node }) => [claim?.metadata.name, node]));
  const nodeClaimsToDelete = (spec.nodeClaimsToDelete ?? []).map((each) => {
    const node = nodes.get(each.nodeClaimName);
    const mustGo = node && mustGoOf(request, node);
    return mustGo ? { ...each, mustGo } : each;
  });
  return { ...spec, nodeClaimsToDelete };
};
