import { parseDuration } from '../../api/duration.ts';
import { fitting, shortened } from '../../api/kinds/fit.ts';
import {
  type RebalancePlan,
  type RebalancePlanStatus,
  rebalancePlan,
} from '../../api/kinds/rebalanceplan.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { executionPhaseOf, isFinished } from '../../api/plans.ts';
import { NODES, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { Change } from '../../kube/cache/cache.ts';
import type { Logger } from '../../kube/component/log.ts';
import { mapConcurrently } from '../../kube/concurrency.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { isTerminal } from '../../kube/errors.ts';
import { getIfServed } from '../../kube/ignore.ts';
import type { Guards } from '../../kube/undo/guards.ts';
import type { SavingsStore } from '../savings/savingsstore.ts';
import { apply } from './apply.ts';
import { decide } from './decide.ts';
import { PlanIndex } from './planindex.ts';
import { refusedStatus, withRefusal } from './refusal.ts';
import { gather, type Sources } from './state/gather.ts';
import { IN_USE_BY } from './state/labels.ts';
import { readUnderWay } from './state/recentorders.ts';
import { SpecHashes } from './state/spechash.ts';
import type { ExecutionState } from './state/state.ts';
import { STATUS_ENDS } from './state/status.ts';
import type { Step } from './state/step.ts';
import { SKIPPED } from './writes/writer.ts';

const fitStatus = fitting<RebalancePlanStatus>(rebalancePlan.shape.status.unwrap());

const PARALLEL_WRITES = 10;
/** Delay of the next pass after steps, for changes that no watched object shows. */
const AFTER_STEPS_MS = 300;
const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 15_000;
/** Delay of the next pass over a plan with spec.execute false, which may expire meanwhile. */
const NOT_EXECUTED_MS = 60_000;

/** Steps that are logged and not recorded as events. */
const QUIET: ReadonlySet<Step['kind']> = new Set(['remove-finalizer', 'prepare', 'free', 'record-surge']);
/** Steps of single pods: their events belong to the pods, of which a plan may have thousands. */
const POD_STEPS: ReadonlySet<Step['kind']> = new Set([
  'evict',
  'surge',
  'reattach',
  'delete-pod',
  'remove-pod',
  'tolerate',
]);
const WARNING: ReadonlySet<Step['kind']> = new Set(['fail', 'warn', 'attempt-failed', 'keep-node']);

const isWarning = (step: Step): boolean =>
  WARNING.has(step.kind) || (step.kind === 'record-deletion' && step.status.endsWith('Failed'));

export interface Clock {
  readonly now: () => number;
}

/** Backoff of evictions that a PodDisruptionBudget refused: doubles with each refusal, and is lost with the process. */
class EvictionBackoff {
  readonly #retries = new Map<string, { at: number; delay: number }>();

  refuse(uid: string, now: number, retryAfterMs: number | undefined, firstMs: number): void {
    const last = this.#retries.get(uid)?.delay ?? firstMs / 2;
    const delay = Math.min(Math.max(last * 2, retryAfterMs ?? 0), Math.max(LONGEST_BACKOFF_MS, firstMs));
    this.#retries.set(uid, { at: now + delay, delay });
  }

  /** When each pod's eviction may be tried again, by UID. */
  retryTimes(): ReadonlyMap<string, number> {
    return new Map([...this.#retries].map(([uid, { at }]) => [uid, at]));
  }
}

/** True when a plan that waits for the NodeClaim or node may take it now. */
const isFreed = (change: Change<NodeClaim | Node>): boolean =>
  change.type === 'update' &&
  change.old.metadata.annotations?.[IN_USE_BY] !== undefined &&
  change.object.metadata.annotations?.[IN_USE_BY] === undefined;

const isWait = ({ kind }: Step): boolean => kind === 'wait-to-start' || kind === 'wait-in-phase';

/** Whether a plan waits for another reason than before. */
const isNewReason = (plan: RebalancePlan, step: Step): boolean => {
  const type = step.kind === 'wait-in-phase' ? step.phase : 'Started';
  return (
    plan.status?.conditions?.find((c) => c.type === type)?.message !==
    shortened(step.message, STATUS_ENDS.message)
  );
};

/** Executes RebalancePlans. Each pass gathers the execution state, decides the next steps and applies them. */
export const executePlans = (
  o: Sources & {
    readonly account: SavingsStore;
    readonly guards: Guards;
    readonly recorder: Recorder;
    /** A recorder for pods, whose events would use up the rate limit of the plan's. */
    readonly podRecorder: Recorder;
    readonly log: Logger;
    readonly clock: Clock;
  },
): Controller => {
  const { caches, client } = o;
  const index = new PlanIndex(caches);
  const backoffs = new Map<string, EvictionBackoff>();
  const hashes = new SpecHashes();
  const unfinishedPlans = (): string[] =>
    caches.plans
      .list()
      .filter((p) => !isFinished(p))
      .map((p) => p.metadata.name);

  const report = (plan: RebalancePlan, step: Step): void => {
    const { kind, reason, message } = step;
    o.log.info({ plan: plan.metadata.name, step: kind, reason, message }, 'plan step');
    if (QUIET.has(kind)) return;
    const type = isWarning(step) ? 'Warning' : 'Normal';
    if (POD_STEPS.has(kind) && 'namespace' in step) {
      const { name, namespace, uid } = step;
      const text = `${message} (RebalancePlan ${plan.metadata.name})`;
      o.podRecorder.event(PODS, { metadata: { name, namespace, uid } }, type, reason, text);
      return;
    }
    o.recorder.event(REBALANCE_PLANS, plan, type, reason, message);
    const isOfNode =
      kind === 'close' ||
      kind === 'cordon' ||
      kind === 'uncordon' ||
      kind === 'keep-node' ||
      kind === 'reserve';
    if (isOfNode) {
      const node = o.caches.nodes.get(step.node);
      if (node)
        o.recorder.event(NODES, node, type, reason, `${message} (RebalancePlan ${plan.metadata.name})`);
    }
  };

  const write = async (
    { plan, ...state }: Pick<ExecutionState, 'plan' | 'nodes' | 'now'>,
    changed: RebalancePlanStatus,
    signal: AbortSignal,
  ): Promise<void> => {
    const { generation } = plan.metadata;
    const replace = async (next: RebalancePlanStatus): Promise<void> => {
      const status = fitStatus({
        ...next,
        ...(generation !== undefined && { observedGeneration: generation }),
      });
      if (JSON.stringify(status) === JSON.stringify(plan.status ?? {})) return;
      await client.replace(REBALANCE_PLANS, { ...plan, status }, { subresource: 'status', signal });
    };
    try {
      await replace(changed);
    } catch (error) {
      if (isTerminal(error)) {
        const nodeNameOf = (claim: string): string | undefined => state.nodes.get(claim)?.metadata.name;
        const phase = executionPhaseOf(plan, nodeNameOf);
        await replace(refusedStatus(plan, changed, { error, phase, now: state.now }));
      }
      throw error;
    }
  };

  const read = (name: string, signal: AbortSignal): Promise<RebalancePlan | undefined> =>
    getIfServed(client.get(REBALANCE_PLANS, { name }, { signal }));

  return {
    name: 'rebalanceplan.execute',
    sources: [
      watches(caches.plans, (plan, change) => [
        plan.metadata.name,
        // A plan that ends may free nodes that another one waits for.
        ...(isFinished(plan) || change.type === 'delete' ? unfinishedPlans() : []),
      ]),
      watches(caches.nodeClaims, (claim, change) => [
        ...index.ofClaim(claim),
        ...(isFreed(change) ? unfinishedPlans() : []),
      ]),
      watches(caches.nodes, (node, change) => [
        ...index.ofNode(node),
        ...(isFreed(change) ? unfinishedPlans() : []),
      ]),
      watches(caches.migrations, (migration) => {
        const owner = migration.metadata.ownerReferences?.find(({ kind }) => kind === 'RebalancePlan');
        return owner ? [owner.name] : [];
      }),
      watches(caches.pods, (pod) => index.ofPod(pod)),
    ],
    reconcile: async (name, signal) => {
      const plan = await read(name, signal);
      if (!plan) {
        backoffs.delete(name);
        hashes.forget(name);
        return awaitChange;
      }
      const backoff = backoffs.get(name) ?? new EvictionBackoff();
      backoffs.set(name, backoff);
      const now = o.clock.now();
      const gathered = await gather(o, plan, backoff.retryTimes(), now, signal);
      const state = { ...gathered, specHash: hashes.of(plan), ...readUnderWay(o, gathered) };
      const first = parseDuration(plan.spec.eviction?.failureBackOff ?? '') ?? FIRST_BACKOFF_MS;
      const decision = decide(state);
      o.orders.record(decision.steps, now);
      const writer = {
        client,
        caches,
        account: o.account,
        guards: o.guards,
        signal,
        onEvictionRefused: (uid: string, after: number | undefined) => backoff.refuse(uid, now, after, first),
        pins: () => o.pinsOf(name),
      };
      const results = await mapConcurrently(decision.steps, PARALLEL_WRITES, async (step) => {
        const change = await apply(writer, state, step);
        // Told at once: hundreds of evictions of one pass may take minutes.
        if (change !== SKIPPED && (!isWait(step) || isNewReason(plan, step))) report(plan, step);
        return change;
      });
      let status = plan.status ?? {};
      const failures: unknown[] = [];
      for (const [at, result] of results.entries()) {
        const step = decision.steps[at];
        if (result.status === 'rejected') {
          o.orders.forget(step);
          failures.push(result.reason);
        } else if (result.value && result.value !== SKIPPED) status = result.value(status);
      }
      await write(state, withRefusal(status, failures, now), signal);
      if (failures.length > 0) throw failures[0];
      if (isFinished({ ...plan, status }) && decision.steps.length === 0) {
        backoffs.delete(name);
        return awaitChange;
      }
      if (decision.steps.some((s) => s.reason === 'NotExecuted')) return requeue(NOT_EXECUTED_MS);
      const isIdle = decision.steps.every(isWait);
      return requeue(isIdle ? decision.againAfterMs : AFTER_STEPS_MS);
    },
  };
};
