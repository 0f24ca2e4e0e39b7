import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { NodePool, Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { isAwaitingPlan, isTerminating, isUnschedulable, podName } from '../../api/pods.ts';
import { PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import { isForPlansAlone } from '../../planner/model/nodepool.ts';
import { UNASSIGNED } from '../caches.ts';
import { MADE_BY } from '../continuous/decide.ts';
import type { Policies } from '../policies/settings.ts';
import { countUnready, haltReason } from '../rebalanceplan/state/halt.ts';
import { gatherSnapshot } from '../snapshot.ts';
import { buy, leaveUnplaced } from './buying/buy.ts';
import type { CycleMemory, CycleOptions, Outcome } from './cycleoptions.ts';
import { decide, type Evaluation, isOfUnscheduledPods, podsWithoutNode, UNSCHEDULED_PODS } from './decide.ts';
import { holdPods, releasePods } from './holds.ts';
import { coveredByPlans, isHeldInFull, keepsNomination, selectsPlansOnly } from './pods.ts';
import { decideRoom } from './room.ts';
import { isKarpenterOut, misconfiguration } from './scope.ts';

const KEPT_PLANS = 10;

/** Our plans that never began, which an earlier process left, and the oldest finished ones. */
const pruned = (plans: readonly RebalancePlan[]): readonly RebalancePlan[] => {
  const ours = plans.filter(({ metadata }) => metadata.labels?.[MADE_BY] === UNSCHEDULED_PODS);
  const endOf = ({ status }: RebalancePlan): number => Date.parse(status?.completionTime ?? '') || 0;
  const unstarted = ours.filter((plan) => !isFinished(plan) && !plan.spec.execute);
  const newestFirst = ours.filter(isFinished).toSorted((a, b) => endOf(b) - endOf(a));
  return [...unstarted, ...newestFirst.slice(KEPT_PLANS)];
};

const isPlansOnlyIn = (pools: readonly NodePool[]): ((pod: Pod) => boolean) => {
  const names = new Set(pools.filter(isForPlansAlone).map(({ metadata }) => metadata.name));
  return (pod) => names.size > 0 && selectsPlansOnly(pod, names);
};

/**
 * Nominates pods that wait, and those of purchases under way whose nomination was taken off; takes off nominations that the API
 * server wrote for pods which are not bought for, and those that could not be taken off before.
 */
const settleNominations = async (
  o: CycleOptions,
  memory: CycleMemory,
  facts: Parameters<typeof podsWithoutNode>[0],
): Promise<void> => {
  const now = o.clock.now();
  const { waiting, covered, misconfigured } = podsWithoutNode(facts);
  memory.pods.keep(waiting, now, misconfigured);
  const isBought = coveredByPlans(facts.plans.filter(isOfUnscheduledPods), facts.podAt);
  const lost = covered.filter((pod) => !isHeldInFull(pod) && !keepsNomination(pod) && isBought(pod));
  const unheld = memory.pods.unheld(waiting, now);
  // Karpenter can't buy for these, whether they are nominated or not.
  memory.pods.hold(unheld.filter(keepsNomination), now);
  const held = new Set(await holdPods(o, [...unheld.filter((pod) => !keepsNomination(pod)), ...lost]));
  memory.pods.hold(
    unheld.filter((pod) => held.has(pod)),
    o.clock.now(),
  );
  const known = new Set([...waiting, ...covered]);
  const strays = facts.pending.filter(
    (pod) => isAwaitingPlan(pod) && isUnschedulable(pod) && !isTerminating(pod) && !known.has(pod),
  );
  await releasePods(o, [...strays, ...memory.pods.stillHeld(waiting, o.clock.now())]);
};

/** Tells pods that scoped mode leaves alone what they lack, once. */
const tellMisconfigured = (o: CycleOptions, memory: CycleMemory, pods: readonly Pod[]): void => {
  for (const pod of pods) {
    const text = misconfiguration(pod);
    if (memory.pods.isNews(pod, text)) o.podRecorder.event(PODS, pod, 'Warning', 'Misconfigured', text);
  }
};

/** Buys room of CapacityBuffers that is missing, where nothing else is to be done; undefined where none is bought. */
const buyMissingRoom = async (
  o: CycleOptions,
  memory: CycleMemory,
  policies: Policies,
  evaluation: Evaluation,
): Promise<Omit<Outcome, 'evaluation'> | undefined> => {
  if (!o.room || !policies.unschedulablePods?.capacityBuffers) return undefined;
  const now = o.clock.now();
  const room = decideRoom({
    evaluation,
    missing: o.room.last().missing,
    plans: memory.stored.withStored(o.caches.plans.list(), now),
    rests: memory.room,
    haltedBy: haltReason(countUnready(o.caches.nodes.list()), o.limits),
    now,
  });
  if (room?.kind === 'wait') {
    if (!memory.room.isResting(now)) o.room.tell({ all: room.message, chunks: new Map() });
    return undefined;
  }
  if (room === undefined) return undefined;
  const bought = await buy(o, memory, policies, { pods: [], replicas: [], countedOf: () => [] });
  if (bought.plans.length === 0) memory.room.rest(now);
  o.room.tell({ chunks: bought.unbought });
  return bought;
};

/** Runs one cycle: nominates pods that wait, evaluates the policies, and buys where they say so. */
export const runCycle = async (
  o: CycleOptions,
  memory: CycleMemory,
  policies: Policies,
): Promise<Outcome> => {
  const { caches, client, clock, signal } = o;
  for (const { metadata } of pruned(caches.plans.list())) {
    if (memory.stored.has(metadata.name)) continue;
    const { name, uid, resourceVersion } = metadata;
    const as = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
    await client.delete(REBALANCE_PLANS, { name }, { ...as, signal }).catch(ignoreNotFoundOrConflict);
  }
  const pools = caches.nodePools.list();
  const isOfPlansOnly = isPlansOnlyIn(pools);
  const isOursAlone = policies.scopedMode && isKarpenterOut(pools);
  const podFacts = () => ({
    policies,
    pending: caches.pods.by(UNASSIGNED, ''),
    podAt: (name: string) => caches.pods.get(name),
    plans: memory.stored.withStored(caches.plans.list(), clock.now()),
    isOurs: (pod: Pod) => isOursAlone || (!o.followsKarpenter && !keepsNomination(pod)) || isOfPlansOnly(pod),
    ...(o.schedulers && { schedulers: o.schedulers }),
  });
  const catalogue = await o.catalogue();
  // 1. Nominate, so that Karpenter buys nothing meanwhile.
  await settleNominations(o, memory, podFacts());
  // 2. Evaluate.
  const evaluation = decide({
    ...podFacts(),
    snapshot: gatherSnapshot(caches),
    catalogue,
    autoscalers: o.autoscalers.list(),
    watched: memory.pods.watched,
    window: o.window,
    haltedBy: haltReason(countUnready(caches.nodes.list()), o.limits),
    now: clock.now(),
  });
  const { pods, misconfigured } = evaluation;
  tellMisconfigured(o, memory, misconfigured);
  const nothing = { evaluation, plans: [], nodes: 0, pods: 0, replicas: 0 };
  if (pods.kind === 'off') return { ...nothing, message: 'the policy is off' };
  if (pods.kind === 'held' && evaluation.limits.full !== undefined) {
    const reason = evaluation.limits.full;
    const unplaced = evaluation.waiting.map(({ metadata: { namespace = 'default', name } }) => ({
      namespace,
      name,
      reason,
    }));
    await leaveUnplaced(
      o,
      memory.pods,
      new Map(evaluation.waiting.map((pod) => [podName(pod), pod])),
      unplaced,
    );
  }
  if (pods.kind === 'left') {
    for (const pod of evaluation.waiting) memory.pods.leave(pod, pods.until, false);
    await releasePods(o, evaluation.waiting.filter(isAwaitingPlan));
  }
  if (pods.kind !== 'buy') {
    const bought = await buyMissingRoom(o, memory, policies, evaluation);
    return bought ? { evaluation, ...bought } : { ...nothing, message: pods.message };
  }
  // 3. Buy.
  const { pods: wanted, replicas } = pods;
  const facts = podFacts();
  // Those that an open plan expects, and that have not come yet, are not counted again.
  const countedOf = (coming: readonly Pod[]): readonly Pod[] => {
    const isComing = new Set(coming);
    const { waiting } = podsWithoutNode({ ...facts, pending: [...facts.pending, ...coming] });
    return waiting.filter((pod) => isComing.has(pod));
  };
  return { evaluation, ...(await buy(o, memory, policies, { pods: wanted, replicas, countedOf })) };
};

/** Gives pods back that were nominated for a plan which is not to come. */
export const releaseAll = async (o: CycleOptions): Promise<void> => {
  const held = o.caches.pods.by(UNASSIGNED, '').filter(isAwaitingPlan);
  if (held.length > 0) await releasePods(o, held);
};
