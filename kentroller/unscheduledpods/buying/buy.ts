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
import { PlanRefused } from '../../rebalanceplanclaim/verified.ts';
import { gatherForPlans } from '../../snapshot.ts';
import type { CycleMemory, CycleOptions, Outcome } from '../cycleoptions.ts';
import { UNSCHEDULED_PODS, withPlannedOrders } from '../decide.ts';
import { headroomPods } from '../headroom.ts';
import { releasePods } from '../holds.ts';
import type { Memory } from '../memory.ts';
import { withinConstraints } from './constraints.ts';
import { type Purchase, purchasesOf } from './purchase.ts';

const SEED = 1;
/** Milliseconds of search: for any purchase, and for each pod of it. */
const SEARCH_MS = 300;
const SEARCH_MS_PER_POD = 1;
const LONGEST_SEARCH_MS = 10_000;
const PLANNING_TIMEOUT_MS = 60_000;
/** Milliseconds after which pods are looked at again: with room on its way, beyond a limit, and that no node helps. */
const AGAIN_MS = { room: 30_000, limit: 10_000, never: 5 * 60_000 } as const;

/** What the planner is asked: pods to buy for with headroom, and room that is kept for what others buy. */
const planningSnapshot = async (
  o: CycleOptions,
  policies: Policies,
  { pods, plans }: { readonly pods: readonly Pod[]; readonly plans: readonly RebalancePlan[] },
): Promise<{ readonly snapshot: Snapshot; readonly virtual: readonly Pod[] }> => {
  const whole = await gatherForPlans(o);
  const { nodes, nodeClaims } = whole;
  const { scopedMode: isScoped } = policies;
  const headroom = headroomPods(policies.unschedulablePods, { nodes, nodeClaims }, isScoped);
  const real = new Set(o.caches.pods.by(UNASSIGNED, '').map(podName));
  const pending = whole.pods.filter((pod) => !pod.spec.nodeName);
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
      ...pods,
      ...headroom,
    ],
    nodePools: isScoped ? usable.map(asScoped) : usable,
  };
  return {
    snapshot: withPlannedOrders(snapshot, plans),
    virtual: pending.filter((pod) => !real.has(podName(pod)) && !headroom.includes(pod)),
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
  const plans = purchases.map(({ spec, savings }, at) => ({
    plan: {
      metadata: {
        name: at === 0 ? name : `${name}-p${at + 1}`,
        labels: { [MADE_BY]: UNSCHEDULED_PODS },
      },
      spec: { ...spec, execute: true },
    },
    savings,
  }));
  for (const { plan } of plans) memory.stored.record(plan, o.clock.now());
  return storePlans(o.client, plans, o.signal);
};

/** Buys for pods: searches, and stores what was found as plans. */
export const buy = async (
  o: CycleOptions,
  memory: CycleMemory,
  policies: Policies,
  pods: readonly Pod[],
): Promise<Pick<Outcome, 'message' | 'plans' | 'nodes' | 'pods'>> => {
  const now = o.clock.now();
  const planName = `${UNSCHEDULED_PODS}-${now}`;
  const settings = policies.unschedulablePods;
  const plans = memory.stored.withStored(o.caches.plans.list(), now);
  const { snapshot, virtual } = await planningSnapshot(o, policies, { pods, plans });
  const budget = Math.min(SEARCH_MS + SEARCH_MS_PER_POD * pods.length, LONGEST_SEARCH_MS);
  const maxCores = policies.clusterLimits?.maxCores;
  const { result, faults } = await o.provisioning(
    {
      snapshot,
      catalogue: withinConstraints(await o.catalogue(), settings?.nodeConstraints),
      now,
      seed: SEED,
      timeBudgetMs: budget,
      planName,
      keepsRoomFor: virtual,
      ...(maxCores !== undefined && { maxCores }),
      ...(policies.spotInstances?.backups !== undefined && { spotFallback: true }),
      ...(o.schedulers && { schedulers: o.schedulers }),
    },
    PLANNING_TIMEOUT_MS,
    o.signal,
  );
  if (faults.length > 0) {
    o.log.error({ plan: planName, faults }, 'plan refused');
    throw new PlanRefused(planName, faults);
  }
  return carryOut(o, memory, { pods, result, planName, mode: settings?.mode ?? 'plan' });
};

const carryOut = async (
  o: CycleOptions,
  memory: CycleMemory,
  found: {
    readonly pods: readonly Pod[];
    readonly result: ProvisionResult;
    readonly planName: string;
    readonly mode: 'plan' | 'single';
  },
): Promise<Pick<Outcome, 'message' | 'plans' | 'nodes' | 'pods'>> => {
  const { pods, result, planName, mode } = found;
  const byName = new Map(pods.map((pod) => [podName(pod), pod]));
  // A pod that found a node during the search needs none.
  const isReal = ({ namespace, name }: { readonly namespace: string; readonly name: string }): boolean => {
    const key = `${namespace}/${name}`;
    const now = o.caches.pods.get(key);
    return byName.get(key)?.metadata.uid === now?.metadata.uid && now !== undefined && !now.spec.nodeName;
  };
  const purchases = result.plan ? purchasesOf(result.plan, { isReal, mode }) : [];
  const bought = new Set(
    purchases
      .flatMap(({ spec }) => spec.podsToMigrate ?? [])
      .map(({ namespace, name }) => `${namespace}/${name}`),
  );
  const unplaced = result.unplaced.filter(({ namespace, name }) => byName.has(`${namespace}/${name}`));
  const without = new Set(unplaced.map(({ namespace, name }) => `${namespace}/${name}`));
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
    const message = `Buying ${nodeClaimsToAdd.length} nodes for ${podsToMigrate.length} pods that have none`;
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
  const names = plans.map(({ metadata }) => metadata.name);
  const message =
    plans.length > 0
      ? `bought ${nodes} nodes for ${bought.size} pods: ${names.join(', ')}`
      : (result.reason ?? 'no node was bought');
  return { message, plans: names, nodes, pods: bought.size };
};
