import { isGated } from '../../../api/heldpods.ts';
import type { RebalanceMigrationPlan } from '../../../api/kinds/rebalancemigrationplan.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import {
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  PLAN,
  ZONE,
} from '../../../api/labels.ts';
import { isReady } from '../../../api/nodes.ts';
import type { KubeObject, Node, NodeClaim, Pod } from '../../../api/objects.ts';
import { isRunning } from '../../../api/plans.ts';
import { EVENTS, NODE_CLAIMS, REBALANCE_MIGRATION_PLANS, type Resource } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { getOrUndefined } from '../../../kube/ignore.ts';
import { countNodes } from '../../../planner/cluster/disruptionbudget.ts';
import { type Caches, nodeOf } from '../../caches.ts';
import { existingClaims } from '../create/nodelock.ts';
import { openMigrations } from '../drain/livemigration.ts';
import { straysOf } from '../drain/podsonkeptnodes.ts';
import { viewSurge } from './gathersurge.ts';
import type { ExecutionLimits, MigrationSettings, PinsView, World } from './state.ts';
import { deletionEventsOf } from './status.ts';
import { asksForWebhook, type WebhookView } from './webhookprobe.ts';

/** What the executor reads, besides the plan itself. */
export interface Sources {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly pinsOf: (plan: string) => PinsView;
  /** Asks the API server; called only before a plan moves its first pod. */
  readonly webhookOf: (plan: RebalancePlan, signal: AbortSignal) => Promise<WebhookView>;
  readonly priceOf: World['priceOf'];
  readonly limitsOf: (plan: RebalancePlan) => ExecutionLimits;
  readonly migration: () => MigrationSettings;
  /** Whether the only pod of a Deployment is replaced before it goes, where nothing is said about it. */
  readonly surges: () => boolean;
  readonly isEnabled: () => boolean;
}

const attemptedClaims = (plan: RebalancePlan): readonly string[] =>
  Object.values(plan.status?.nodesCreation ?? {}).flatMap((c) => c.attempts.map((a) => a.nodeClaimName));

const openAttempts = (plan: RebalancePlan): readonly string[] =>
  Object.values(plan.status?.nodesCreation ?? {}).flatMap((c) => {
    const last = c.attempts.at(-1);
    return last && last.status !== 'Failed' ? [last.nodeClaimName] : [];
  });

/** What the cache does not show may be something that we made a moment ago: the API server knows. */
const confirm = async <T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  name: string,
  signal: AbortSignal,
): Promise<T | undefined> => {
  return await getOrUndefined(client.get(resource, { name }, { signal }));
};

/** Karpenter deletes a claim that the cloud refuses; all that is left of the reason is an event. */
const lossOf = async (client: KubeClient, name: string, signal: AbortSignal): Promise<string | undefined> => {
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
 * Pods that the plan moves and that are on no node now, whatever name they have. Those behind our gate have their pin
 * already, and Karpenter buys nothing for them.
 */
const waitingPods = (caches: Caches, plan: RebalancePlan): readonly Pod[] => {
  const owners = new Set((plan.spec.podsToMigrate ?? []).flatMap((p) => (p.owner ? [p.owner.uid] : [])));
  return [...owners]
    .flatMap((uid) => caches.pods.by('owner', uid))
    .filter((pod) => !pod.spec.nodeName && !isGated(pod) && !pod.metadata.deletionTimestamp);
};

/** The nodes of each NodePool, by its name. */
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

/** Nodes that Karpenter does not manage carry no capacity type, and are no part of what plans are about. */
const clusterHourly = (nodes: readonly Node[], priceOf: World['priceOf']): number | undefined => {
  let sum = 0;
  for (const { metadata } of nodes) {
    const labels = metadata.labels ?? {};
    const capacityType = labels[KARPENTER_CAPACITY_TYPE];
    if (capacityType === undefined) continue;
    const price = priceOf(labels[INSTANCE_TYPE] ?? '', labels[ZONE] ?? '', capacityType);
    if (price === undefined) return undefined;
    sum += price;
  }
  return sum;
};

const busyClaims = (caches: Caches, plan: RebalancePlan): ReadonlySet<string> =>
  new Set(
    caches.plans
      .list()
      .filter((other) => isRunning(other) && other.metadata.name !== plan.metadata.name)
      .flatMap(existingClaims),
  );

const migrationsOf = async (
  { caches, client }: Sources,
  plan: RebalancePlan,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RebalanceMigrationPlan>> => {
  const found = new Map<string, RebalanceMigrationPlan>();
  for (const migration of caches.migrations.list()) {
    const isOwn = migration.metadata.ownerReferences?.some((o) => o.uid === plan.metadata.uid);
    if (isOwn) found.set(migration.metadata.name, migration);
  }
  for (const name of openMigrations(plan)) {
    const migration = found.get(name) ?? (await confirm(client, REBALANCE_MIGRATION_PLANS, name, signal));
    if (migration) found.set(name, migration);
  }
  return found;
};

/** Reads everything that the next decision about a plan is made from. */
export const gather = async (
  sources: Sources,
  plan: RebalancePlan,
  heldUntil: ReadonlyMap<string, number>,
  now: number,
  signal: AbortSignal,
): Promise<World> => {
  const { caches, client } = sources;
  const nodeClaims = new Map<string, NodeClaim>();
  for (const name of [...existingClaims(plan), ...attemptedClaims(plan)]) {
    const claim = caches.nodeClaims.get(name);
    if (claim) nodeClaims.set(name, claim);
  }
  for (const claim of caches.nodeClaims.list()) {
    if (claim.metadata.labels?.[PLAN] === plan.metadata.name) nodeClaims.set(claim.metadata.name, claim);
  }
  const losses = new Map<string, string>();
  for (const name of openAttempts(plan)) {
    if (nodeClaims.has(name)) continue;
    const claim = await confirm(client, NODE_CLAIMS, name, signal);
    const loss = claim ? undefined : await lossOf(client, name, signal);
    if (claim) nodeClaims.set(name, claim);
    if (loss) losses.set(name, loss);
  }
  const nodes = new Map<string, Node>();
  const pods = new Map<string, readonly Pod[]>();
  for (const [name, claim] of nodeClaims) {
    const node = nodeOf(caches, claim);
    if (!node) continue;
    nodes.set(name, node);
    pods.set(name, caches.pods.by('node', node.metadata.name));
  }
  const draining = (plan.spec.nodeClaimsToDelete ?? []).filter(
    ({ nodeClaimName }) => deletionEventsOf(plan, nodeClaimName).length > 0,
  );
  const leaving = (plan.spec.nodeClaimsToDelete ?? []).flatMap(
    ({ nodeClaimName }) => nodes.get(nodeClaimName)?.metadata.name ?? [],
  );
  const strays = straysOf(plan, { podOf: (key) => caches.pods.get(key), leaving: new Set(leaving) });
  const surge = await viewSurge(
    { client, caches, byDefault: sources.surges() },
    [...strays, ...draining.flatMap(({ nodeClaimName }) => pods.get(nodeClaimName) ?? [])],
    signal,
  );
  const all = caches.nodes.list();
  const pins = sources.pinsOf(plan.metadata.name);
  return {
    plan,
    nodeClaims,
    nodes,
    pods,
    strays,
    waiting: waitingPods(caches, plan),
    nodePools: new Map(caches.nodePools.list().map((pool) => [pool.metadata.name, pool])),
    poolNodes: countPools(caches.nodeClaims.list(), (claim) => nodeOf(caches, claim)),
    losses,
    unavailable: caches.unavailable.list(),
    busy: busyClaims(caches, plan),
    enabled: sources.isEnabled(),
    clusterNodes: { total: all.length, unready: all.filter((node) => !isReady(node)).length },
    migration: { ...sources.migration(), plans: await migrationsOf(sources, plan, signal) },
    surge,
    pins,
    webhook: pins.acknowledged && asksForWebhook(plan) ? await sources.webhookOf(plan, signal) : undefined,
    heldUntil,
    priceOf: sources.priceOf,
    clusterHourly: clusterHourly(all, sources.priceOf),
    now,
    limits: sources.limitsOf(plan),
  };
};
