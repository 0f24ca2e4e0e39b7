import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../../api/objects.ts';
import { isAwaitingPlan, podName } from '../../../api/pods.ts';
import { PODS, REBALANCE_PLANS } from '../../../api/resources.ts';
import { asScoped, isForPlansAlone, saysScope } from '../../../planner/model/nodepool.ts';
import type { Snapshot } from '../../../planner/model/snapshot.ts';
import type { ProvisionResult, Unplaced } from '../../../planner/provision.ts';
import { UNASSIGNED } from '../../caches.ts';
import { MADE_BY } from '../../continuous/decide.ts';
import type { Policies } from '../../policies/settings.ts';
import { storePlans } from '../../rebalanceplanclaim/storeplans.ts';
import { gatherForPlans } from '../../snapshot.ts';
import type { CycleMemory, CycleOptions, Outcome } from '../cycleoptions.ts';
import { isOfUnscheduledPods, UNSCHEDULED_PODS, withPlannedOrders } from '../decide.ts';
import { headroomPods } from '../headroom.ts';
import { releasePods } from '../holds.ts';
import type { Memory } from '../memory.ts';
import { isOpen } from '../pods.ts';
import { type DueReplicas, podsAndReplicas } from '../replicas.ts';
import { planWithNodes } from '../room.ts';
import { comingPods } from './comingpods.ts';
import { withinConstraints } from './constraints.ts';
import { onSpotIfAsked } from './onspot.ts';
import { expectedPodsOf, type PodRef, type Purchase, purchasesOf } from './purchase.ts';
import { type Request, searchForPods } from './search.ts';
import { withSides } from './sides.ts';
import { withinTheirQuotas } from './withinquotas.ts';

const SEED = 1;
/** Milliseconds of search: for any purchase, and for each pod of it. */
const SEARCH_MS = 300;
const SEARCH_MS_PER_POD = 1;
const LONGEST_SEARCH_MS = 10_000;
/** Milliseconds after which pods are looked at again: with room on its way, beyond a limit, and that no node helps. */
const AGAIN_MS = { room: 30_000, limit: 10_000, never: 5 * 60_000 } as const;

/** What is bought for: pods, replicas to come, and which of these as pods count. Without either, room of CapacityBuffers alone. */
export interface Wanted {
  readonly pods: readonly Pod[];
  readonly replicas: readonly DueReplicas[];
  readonly countedOf: (coming: readonly Pod[]) => readonly Pod[];
}

/** Chunks of CapacityBuffers that are bought for; none while nodes are on their way, on which they may find room. */
const servedChunks = (
  o: CycleOptions,
  { unschedulablePods }: Policies,
  plans: readonly RebalancePlan[],
): readonly Pod[] =>
  unschedulablePods?.capacityBuffers && planWithNodes(plans, o.clock.now()) === undefined
    ? (o.room?.last().chunks ?? [])
    : [];

/** What the planner is asked: pods to buy for, with replicas to come and headroom, and room that is kept for what others buy. */
const planningSnapshot = async (
  o: CycleOptions,
  policies: Policies,
  { pods, replicas, countedOf, plans }: Wanted & { readonly plans: readonly RebalancePlan[] },
): Promise<{
  readonly snapshot: Snapshot;
  readonly virtual: readonly Pod[];
  readonly coming: readonly Pod[];
  readonly headroom: readonly Pod[];
  readonly chunks: readonly Pod[];
}> => {
  const whole = await gatherForPlans(o);
  const { nodes, nodeClaims } = whole;
  const { scopedMode: isScoped } = policies;
  // A purchase that is under way has bought it.
  const isBought = plans.some((plan) => isOfUnscheduledPods(plan) && isOpen(plan));
  const kept = isBought ? [] : headroomPods(policies.unschedulablePods, { nodes, nodeClaims }, isScoped);
  const headroom = pods.length + replicas.length > 0 ? kept : [];
  const asBought = (all: readonly Pod[]): readonly Pod[] =>
    policies.spotInstances ? all.map(onSpotIfAsked) : all;
  const counted = countedOf(await comingPods(o, replicas, whole.replicaSets));
  const sided = withSides(await withinTheirQuotas(o, counted), {
    ...whole,
    rules: policies.spotPods,
    schedulers: o.schedulers,
  });
  const coming = asBought(sided);
  const real = new Set(o.caches.pods.by(UNASSIGNED, '').map(podName));
  const pending = whole.pods.filter((pod) => !pod.spec.nodeName);
  const served = new Set(servedChunks(o, policies, plans).map(podName));
  const chunks = pending.filter((pod) => served.has(podName(pod)) && !real.has(podName(pod)));
  const extra = new Set([...headroom, ...chunks]);
  const usable = o.followsKarpenter
    ? whole.nodePools.filter((pool) => isForPlansAlone(pool) || (isScoped && !saysScope(pool)))
    : whole.nodePools;
  const snapshot = {
    ...whole,
    pods: [
      ...whole.pods.filter((pod) => pod.spec.nodeName),
      // A pod that a node is promised to keeps its room there.
      ...pending.filter(
        (pod) => real.has(podName(pod)) && pod.status?.nominatedNodeName && !isAwaitingPlan(pod),
      ),
      ...asBought(pods),
      ...coming,
      ...extra,
    ],
    nodePools: isScoped ? usable.map(asScoped) : usable,
  };
  return {
    coming,
    headroom,
    chunks,
    snapshot: withPlannedOrders(snapshot, plans),
    virtual: [...pending, ...kept].filter((pod) => !real.has(podName(pod)) && !extra.has(pod)),
  };
};

/** Tells pods without a place why, once, and leaves them to others; beyond the cluster's limit they stay nominated. */
export const leaveUnplaced = async (
  o: CycleOptions,
  memory: Memory,
  pods: ReadonlyMap<string, Pod>,
  unplaced: readonly Unplaced[],
): Promise<void> => {
  const now = o.clock.now();
  const released: Pod[] = [];
  for (const { namespace, name, reason } of unplaced) {
    const pod = pods.get(`${namespace}/${name}`);
    if (!pod) continue;
    const isLimit = reason.includes('clusterLimits.cpu.maxCores');
    memory.leave(pod, now + (isLimit ? AGAIN_MS.limit : AGAIN_MS.never), isLimit);
    if (!isLimit) released.push(pod);
    const [event, text] = isLimit
      ? ['ClusterLimitReached', `No node is bought for this pod: ${reason}`]
      : ['NoNodeWouldHelp', `No node is bought for this pod, which is left to others: ${reason}`];
    if (memory.isNews(pod, text)) o.podRecorder.event(PODS, pod, 'Warning', event, text);
  }
  await releasePods(o, released);
};

/** Stores plans for purchases; returns them. */
const store = async (
  o: CycleOptions,
  memory: CycleMemory,
  name: string,
  purchases: readonly Purchase[],
): Promise<readonly RebalancePlan[]> => {
  const plans = purchases.map((purchase, at) => ({
    plan: {
      metadata: {
        name: at === 0 ? name : `${name}-p${at + 1}`,
        labels: { [MADE_BY]: UNSCHEDULED_PODS },
      },
      spec: { ...purchase.spec, execute: true },
    },
    savings: purchase.savings,
    expectedPods: expectedPodsOf(purchase),
  }));
  for (const { plan, expectedPods } of plans) {
    memory.stored.record({ ...plan, status: { expectedPods: [...expectedPods] } }, o.clock.now());
  }
  return storePlans(o.client, plans, o.signal);
};

type Bought = Pick<Outcome, 'message' | 'plans' | 'nodes' | 'pods' | 'replicas'> & {
  /** Why there is no place for chunks of CapacityBuffers, by 'namespace/name'. */
  readonly unbought: ReadonlyMap<string, string>;
};

/** Buys for pods: searches, and stores what was found as plans. */
export const buy = async (
  o: CycleOptions,
  memory: CycleMemory,
  policies: Policies,
  wanted: Wanted,
): Promise<Bought> => {
  const { pods } = wanted;
  const now = o.clock.now();
  const planName = `${UNSCHEDULED_PODS}-${now}`;
  const settings = policies.unschedulablePods;
  const plans = memory.stored.withStored(o.caches.plans.list(), now);
  const { snapshot, virtual, coming, headroom, chunks } = await planningSnapshot(o, policies, {
    ...wanted,
    plans,
  });
  const searched = pods.length + coming.length + chunks.length;
  const maxCores = policies.clusterLimits?.maxCores;
  const request: Request = {
    catalogue: withinConstraints(await o.catalogue(), settings?.nodeConstraints),
    now,
    seed: SEED,
    timeBudgetMs: Math.min(SEARCH_MS + SEARCH_MS_PER_POD * searched, LONGEST_SEARCH_MS),
    planName,
    keepsRoomFor: virtual,
    ...(maxCores !== undefined && { maxCores }),
    ...(policies.spotInstances?.backups !== undefined && { spotFallback: true }),
    ...(o.schedulers && { schedulers: o.schedulers }),
  };
  const extras = new Set([...coming, ...headroom, ...chunks]);
  const result = await searchForPods(o, request, { snapshot, extras, pods });
  return carryOut(o, memory, { pods, coming, chunks, result, planName, mode: settings?.mode ?? 'plan' });
};

const refText = ({ namespace, name }: PodRef): string => `${namespace}/${name}`;

/** Tells whether a pod is one of these. */
const isAmong = (pods: readonly Pod[]): ((pod: PodRef) => boolean) => {
  const names = new Set(pods.map(podName));
  return (pod) => names.has(refText(pod));
};

const carryOut = async (
  o: CycleOptions,
  memory: CycleMemory,
  found: {
    readonly pods: readonly Pod[];
    readonly coming: readonly Pod[];
    readonly chunks: readonly Pod[];
    readonly result: ProvisionResult;
    readonly planName: string;
    readonly mode: 'plan' | 'single';
  },
): Promise<Bought> => {
  const { pods, result, planName, mode } = found;
  const byName = new Map(pods.map((pod) => [podName(pod), pod]));
  // A pod that found a node during the search needs none.
  const isReal = (pod: PodRef): boolean => {
    const key = refText(pod);
    const now = o.caches.pods.get(key);
    return byName.get(key)?.metadata.uid === now?.metadata.uid && now !== undefined && !now.spec.nodeName;
  };
  const isComing = isAmong(found.coming);
  const isRoom = isAmong(found.chunks);
  const purchases = result.plan ? purchasesOf(result.plan, { isReal, isComing, isRoom, mode }) : [];
  const bought = new Set(purchases.flatMap(({ spec }) => spec.podsToMigrate ?? []).map(refText));
  const unplaced = result.unplaced.filter((pod) => byName.has(refText(pod)));
  const without = new Set(unplaced.map(refText));
  const planned = new Set(
    (result.plan?.spec.podsToMigrate ?? []).map(({ namespace, name, dstNodeClaimName }) =>
      result.plan?.spec.nodeClaimsToAdd?.some(({ metadata }) => metadata.name === dstNodeClaimName)
        ? `${namespace}/${name}`
        : '',
    ),
  );
  // 1. Order.
  const plans = purchases.length > 0 ? await store(o, memory, planName, purchases) : [];
  const nodes = purchases.reduce((sum, { spec }) => sum + (spec.nodeClaimsToAdd?.length ?? 0), 0);
  for (const plan of plans) {
    const { nodeClaimsToAdd = [], podsToMigrate = [] } = plan.spec;
    const expected = (plan.status?.expectedPods ?? []).reduce((sum, { count }) => sum + count, 0);
    const whom =
      podsToMigrate.length > 0
        ? `${podsAndReplicas(podsToMigrate.length, expected)} that have none`
        : 'room that CapacityBuffers ask for';
    const message = `Buying ${nodeClaimsToAdd.length} nodes for ${whom}`;
    o.recorder.event(REBALANCE_PLANS, plan, 'Normal', 'UnscheduledPods', message);
  }
  // 2. Leave the others: those with room on nodes that stand or come, and those that nothing helps.
  const withRoom = pods.filter((pod) => {
    const key = podName(pod);
    return !bought.has(key) && !without.has(key) && !planned.has(key);
  });
  for (const pod of withRoom) memory.pods.leave(pod, o.clock.now() + AGAIN_MS.room, false);
  await releasePods(o, withRoom);
  await leaveUnplaced(o, memory.pods, byName, unplaced);
  const replicas = purchases.reduce((sum, { coming }) => sum + coming.length, 0);
  const names = plans.map(({ metadata }) => metadata.name);
  const message =
    plans.length > 0
      ? `bought ${nodes} nodes for ${bought.size > 0 ? podsAndReplicas(bought.size, replicas) : 'room of CapacityBuffers'}: ${names.join(', ')}`
      : (result.reason ?? 'no node was bought');
  const unbought = new Map(
    result.unplaced.filter(isRoom).map(({ reason, ...pod }) => [refText(pod), reason]),
  );
  return { message, plans: names, nodes, pods: bought.size, replicas, unbought };
};
