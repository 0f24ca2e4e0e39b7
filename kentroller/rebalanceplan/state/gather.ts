import { isGated } from '../../../api/heldpods.ts';
import { isMarkedBy } from '../../../api/identity/ownermark.ts';
import type { RebalanceMigrationPlan } from '../../../api/kinds/rebalancemigrationplan.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { KARPENTER_CAPACITY_TYPE, KARPENTER_NODEPOOL, OWNED_BY } from '../../../api/labels.ts';
import type { Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { foreignNodeOf, isRunning, movesOwnerOf } from '../../../api/plans.ts';
import { isOfDaemonSet } from '../../../api/pods.ts';
import { EVENTS, NODE_CLAIMS, REBALANCE_MIGRATION_PLANS } from '../../../api/resources.ts';
import type { ZonalShifts } from '../../../cloud/aws/zonalshift/managedresource.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { isUnserved } from '../../../kube/errors.ts';
import { getIfServed, getOrUndefined } from '../../../kube/ignore.ts';
import { countNodes } from '../../../planner/cluster/disruptionbudget.ts';
import type { Catalogue } from '../../../planner/model/catalogue.ts';
import { shiftedZonesOf } from '../../../planner/model/offers/zonalshift.ts';
import { zoneIdsOf } from '../../../planner/model/offers/zoneids.ts';
import { type Caches, nodeOf, UNASSIGNED } from '../../caches.ts';
import type { Offerings } from '../../cloud/offerings.ts';
import { openMigrations } from '../drain/livemigration.ts';
import { podsOnKeptNodesOf } from '../drain/podsonkeptnodes.ts';
import { existingClaims, foreignDestinations, placesInUse } from './claimnames.ts';
import { evictionRulesOf } from './evictionrules.ts';
import { gatherSurge } from './gathersurge.ts';
import { countUnready } from './halt.ts';
import { NO_CATALOGUE, type OrderSources, type UnderWay } from './recentorders.ts';
import type {
  ClusterLimit,
  ExecutionLimits,
  ExecutionState,
  MigrationSettings,
  PinsView,
  WebhookView,
} from './state.ts';
import { deletionEventsOf, hasReached } from './status.ts';
import { needsWebhook } from './webhookprobe.ts';

/** Where the execution state is read from, besides the plan itself. */
export interface Sources extends OrderSources {
  readonly client: KubeClient;
  readonly pinsOf: (plan: string) => PinsView;
  /** Probes the webhook through the API server; called only before a plan evicts its first pod. */
  readonly webhookOf: (plan: RebalancePlan, signal: AbortSignal) => Promise<WebhookView>;
  /** What the cloud sells now; undefined until that was read for the first time. */
  readonly offeringsNow: () => Promise<Offerings | undefined>;
  /** Zones that are shifted away now; none where left out. */
  readonly zonalShifts?: () => ZonalShifts | undefined;
  readonly limitsOf: (plan: RebalancePlan) => ExecutionLimits;
  readonly migration: () => MigrationSettings;
  /** Whether a Deployment without the surge annotation gets it. */
  readonly surgeByDefault: () => boolean;
  /** Names of the schedulers whose pods may be evicted; our own when left out. */
  readonly schedulers?: readonly string[];
  readonly isEnabled: () => boolean;
  /** Why the cluster would be too small without the nodes of a plan; none where left out. */
  readonly limitOf?: (plan: RebalancePlan, catalogue: Catalogue) => ClusterLimit | undefined;
}

const attemptedClaims = (plan: RebalancePlan): readonly string[] =>
  Object.values(plan.status?.nodesCreation ?? {}).flatMap((c) => c.attempts.map((a) => a.nodeClaimName));

const openAttempts = (plan: RebalancePlan): readonly string[] =>
  Object.values(plan.status?.nodesCreation ?? {}).flatMap((c) => {
    const last = c.attempts.at(-1);
    return last && last.status !== 'Failed' ? [last.nodeClaimName] : [];
  });

/**
 * NodeClaims of open attempts that the cache does not show: the API server's word, since it may not show yet what was created
 * a moment ago. Where NodeClaims are not served none is known to be gone.
 */
export const readMissingClaims = async (
  client: KubeClient,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Pick<ExecutionState, 'nodeClaims' | 'claimFailures' | 'unknownClaims'>> => {
  const nodeClaims = new Map<string, NodeClaim>();
  const claimFailures = new Map<string, string>();
  const unknownClaims = new Set<string>();
  for (const name of names) {
    const claim = await getOrUndefined(client.get(NODE_CLAIMS, { name }, { signal })).catch(
      (error: unknown) => {
        if (!isUnserved(error)) throw error;
        unknownClaims.add(name);
        return undefined;
      },
    );
    if (claim) nodeClaims.set(name, claim);
    if (claim || unknownClaims.has(name)) continue;
    const failure = await failureOf(client, name, signal);
    if (failure) claimFailures.set(name, failure);
  }
  return { nodeClaims, claimFailures, unknownClaims };
};

/** Why Karpenter deleted a NodeClaim, from its events, the only trace of one that the cloud refused. */
const failureOf = async (
  client: KubeClient,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { items } = await client.list(EVENTS, {
    namespace: 'default',
    fieldSelector: `involvedObject.kind=NodeClaim,involvedObject.name=${name},type=Warning`,
    signal,
  });
  const events = items.filter((e) => e.reason !== undefined && !/FailedConsistencyCheck/.test(e.reason));
  const capacity = events.find((e) => /InsufficientCapacity/i.test(`${e.reason} ${e.message}`));
  const last = capacity ?? events.at(-1);
  return last ? `${last.reason}: ${last.message ?? ''}`.trim() : undefined;
};

/**
 * Pods without a node of the owners whose pods the plan moves. Held pods are left out: they have their pin, and
 * Karpenter buys no node for them.
 */
export const unscheduledPodsOf = (caches: Pick<Caches, 'pods'>, plan: RebalancePlan): readonly Pod[] => {
  const owners = new Set((plan.spec.podsToMigrate ?? []).flatMap((p) => (p.owner ? [p.owner.uid] : [])));
  return [...owners]
    .flatMap((uid) => caches.pods.by('owner', uid))
    .filter((pod) => !pod.spec.nodeName && !isGated(pod) && !pod.metadata.deletionTimestamp)
    .filter((pod) => movesOwnerOf(plan, pod));
};

/** Pods that the plan buys nodes for, by the names in the plan, while they wait for a node. */
const pendingPodsOf = (caches: Caches, plan: RebalancePlan): readonly Pod[] =>
  (plan.spec.podsToMigrate ?? [])
    .filter(({ srcNode }) => !srcNode)
    .flatMap(({ namespace, name }) => caches.pods.get(`${namespace}/${name}`) ?? [])
    .filter(({ spec, metadata }) => !spec.nodeName && !metadata.deletionTimestamp);

/** Number of nodes of each NodePool, and of those disrupted. */
const countPools = (claims: readonly NodeClaim[], nodeOfClaim: (claim: NodeClaim) => Node | undefined) => {
  const pools = new Map<string, { node: Node; claim: NodeClaim }[]>();
  for (const claim of claims) {
    const node = nodeOfClaim(claim);
    if (!node) continue;
    const name = claim.metadata.labels?.[KARPENTER_NODEPOOL] ?? '';
    pools.set(name, [...(pools.get(name) ?? []), { node, claim }]);
  }
  return new Map([...pools].map(([name, nodes]) => [name, countNodes(nodes)]));
};

/** USD per hour of all nodes that Karpenter manages, which have a capacity type; undefined when a price is unknown. */
const clusterHourly = (nodes: readonly Node[], offerings: Offerings | undefined): number | undefined => {
  let sum = 0;
  for (const { metadata } of nodes) {
    if (metadata.labels?.[KARPENTER_CAPACITY_TYPE] === undefined) continue;
    const price = offerings?.priceOf(metadata.labels);
    if (price === undefined) return undefined;
    sum += price;
  }
  return sum;
};

/** What other running plans have to themselves. */
const placesOfOthers = ({ plans }: Caches, { metadata: { name } }: RebalancePlan): ReadonlySet<string> => {
  const others = plans.list().filter((other) => isRunning(other) && other.metadata.name !== name);
  return new Set(others.flatMap(placesInUse));
};

const migrationsOf = async (
  { caches, client }: Sources,
  plan: RebalancePlan,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RebalanceMigrationPlan>> => {
  const own = new Map<string, RebalanceMigrationPlan>();
  for (const migration of caches.migrations.list()) {
    const isOwn = migration.metadata.ownerReferences?.some((o) => o.uid === plan.metadata.uid);
    if (isOwn) own.set(migration.metadata.name, migration);
  }
  for (const name of openMigrations(plan)) {
    const migration =
      own.get(name) ?? (await getIfServed(client.get(REBALANCE_MIGRATION_PLANS, { name }, { signal })));
    if (migration) own.set(name, migration);
  }
  return own;
};

/** Reads all facts that the next steps of a plan are decided from, but for the spec's hash and what NodePools have. */
export const gather = async (
  sources: Sources,
  plan: RebalancePlan,
  evictionRetryAt: ReadonlyMap<string, number>,
  now: number,
  signal: AbortSignal,
): Promise<Omit<ExecutionState, keyof UnderWay | 'specHash'>> => {
  const { caches, client } = sources;
  const nodeClaims = new Map<string, NodeClaim>();
  for (const name of [...existingClaims(plan), ...attemptedClaims(plan)]) {
    const claim = caches.nodeClaims.get(name);
    if (claim) nodeClaims.set(name, claim);
  }
  const own = caches.nodeClaims.list().filter((claim) => isMarkedBy(plan, claim, OWNED_BY));
  for (const claim of own) nodeClaims.set(claim.metadata.name, claim);
  const missing = openAttempts(plan).filter((name) => !nodeClaims.has(name));
  const { nodeClaims: read, claimFailures, unknownClaims } = await readMissingClaims(client, missing, signal);
  for (const [name, claim] of read) nodeClaims.set(name, claim);
  const nodes = new Map<string, Node>();
  const pods = new Map<string, readonly Pod[]>();
  const found = [
    ...[...nodeClaims].map(([name, claim]) => [name, nodeOf(caches, claim)] as const),
    ...foreignDestinations(plan).map((to) => [to, caches.nodes.get(foreignNodeOf(to) ?? '')] as const),
  ];
  for (const [name, node] of found) {
    if (!node) continue;
    nodes.set(name, node);
    pods.set(name, caches.pods.by('node', node.metadata.name));
  }
  const draining = (plan.spec.nodeClaimsToDelete ?? []).filter(
    ({ nodeClaimName }) => deletionEventsOf(plan, nodeClaimName).length > 0,
  );
  const removedNodes = (plan.spec.nodeClaimsToDelete ?? []).flatMap(
    ({ nodeClaimName }) => nodes.get(nodeClaimName)?.metadata.name ?? [],
  );
  const podsOnKeptNodes = podsOnKeptNodesOf(plan, {
    podOf: (key) => caches.pods.get(key),
    removedNodes: new Set(removedNodes),
  });
  const surge = await gatherSurge(
    { client, caches, byDefault: sources.surgeByDefault() },
    plan,
    [
      ...(hasReached(plan, 'PinsReady') ? podsOnKeptNodes : []),
      ...draining.flatMap(({ nodeClaimName }) => pods.get(nodeClaimName) ?? []),
    ],
    signal,
  );
  const pins = sources.pinsOf(plan.metadata.name);
  const migrations = await migrationsOf(sources, plan, signal);
  const webhook = pins.acknowledged && needsWebhook(plan) ? await sources.webhookOf(plan, signal) : undefined;
  const offerings = await sources.offeringsNow();
  const all = caches.nodes.list();
  const nodePools = caches.nodePools.list();
  const zoneIds = zoneIdsOf(offerings?.catalogue ?? NO_CATALOGUE, all);
  return {
    plan,
    nodeClaims,
    unknownClaims,
    nodes,
    pods,
    podsOnKeptNodes,
    pendingPods: pendingPodsOf(caches, plan),
    unscheduledPods: unscheduledPodsOf(caches, plan),
    daemonSets: caches.daemonSets.list(),
    pendingDaemonPods: caches.pods.by(UNASSIGNED, '').filter(isOfDaemonSet),
    nodePools: new Map(nodePools.map((pool) => [pool.metadata.name, pool])),
    poolNodes: countPools(caches.nodeClaims.list(), (claim) => nodeOf(caches, claim)),
    claimFailures,
    unavailable: caches.unavailable.list(),
    zoneIds,
    shiftedZones: shiftedZonesOf(sources.zonalShifts?.()?.zones ?? [], zoneIds),
    placesOfOthers: placesOfOthers(caches, plan),
    isEnabled: sources.isEnabled(),
    clusterNodes: countUnready(all),
    belowLimit: sources.limitOf?.(plan, offerings?.catalogue ?? NO_CATALOGUE),
    migration: { ...sources.migration(), plans: migrations },
    surge,
    pins,
    webhook,
    rules: evictionRulesOf(caches, plan, now, sources.schedulers),
    evictionRetryAt,
    offerings,
    clusterHourly: clusterHourly(all, offerings),
    now,
    limits: sources.limitsOf(plan),
  };
};
