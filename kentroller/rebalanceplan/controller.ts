import type { RebalancePlan, RebalancePlanStatus } from '../../api/kinds/rebalanceplan.ts';
import { PLAN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { isFinished, isRunning } from '../../api/plans.ts';
import { controllerOf } from '../../api/pods.ts';
import { NODES, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { Logger } from '../../kube/component/log.ts';
import { mapConcurrently } from '../../kube/concurrency.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import type { SavingsStore } from '../savings/savingsstore.ts';
import { apply, LEFT } from './apply.ts';
import { existingClaims } from './create/nodelock.ts';
import { decide } from './decide.ts';
import { gather, type Sources } from './state/gather.ts';
import type { Step } from './state/step.ts';

const PARALLEL_WRITES = 10;
/** After a step the caches bring the next one; this is for what they don't show. */
const AFTER_STEPS_MS = 300;
const FIRST_HOLD_MS = 1_000;
const LONGEST_HOLD_MS = 15_000;
/** A plan that waits for its owner is looked at now and then: it may have expired. */
const LONG_HOLD_MS = 60_000;

/** Steps that are told in the log but not as events of the plan. */
const QUIET: ReadonlySet<Step['kind']> = new Set(['let-go', 'prepare']);
/** Steps of which there is one for each pod: their events are the pods', since they would drown the plan's. */
const OF_PODS: ReadonlySet<Step['kind']> = new Set(['evict', 'surge', 'unsurge', 'delete-pod', 'remove-pod']);
const WARNING: ReadonlySet<Step['kind']> = new Set(['fail', 'warn', 'attempt-failed']);

const isWarning = (step: Step): boolean =>
  WARNING.has(step.kind) || (step.kind === 'record-deletion' && step.status.endsWith('Failed'));

export interface Clock {
  readonly now: () => number;
}

/** When to ask again about pods that a budget holds back: doubles with each refusal. Lost with the process. */
class Holds {
  readonly #until = new Map<string, { until: number; delay: number }>();

  hold(uid: string, now: number, retryAfterMs: number | undefined): void {
    const last = this.#until.get(uid)?.delay ?? FIRST_HOLD_MS / 2;
    const delay = Math.min(Math.max(last * 2, retryAfterMs ?? 0), LONGEST_HOLD_MS);
    this.#until.set(uid, { until: now + delay, delay });
  }

  view(): ReadonlyMap<string, number> {
    return new Map([...this.#until].map(([uid, { until }]) => [uid, until]));
  }
}

const plansUsing = (plans: readonly RebalancePlan[], claim: string): string[] =>
  plans.filter((p) => isRunning(p) && existingClaims(p).includes(claim)).map((p) => p.metadata.name);

const movesOwnerOf = (plan: RebalancePlan, pod: Pod): boolean => {
  const uid = controllerOf(pod)?.uid;
  return uid !== undefined && (plan.spec.podsToMigrate ?? []).some((move) => move.owner?.uid === uid);
};

const isNews = (plan: RebalancePlan, step: Step): boolean =>
  plan.status?.conditions?.find((c) => c.type === 'Started')?.message !== step.message;

/** Carries RebalancePlans out: gathers the state of the world, decides the next steps, takes them, one pass at a time. */
export const executePlans = (
  o: Sources & {
    readonly account: SavingsStore;
    readonly recorder: Recorder;
    /** Of its own, so that thousands of pods do not crowd out what is told of the plan. */
    readonly podRecorder: Recorder;
    readonly log: Logger;
    readonly clock: Clock;
  },
): Controller => {
  const { caches, client } = o;
  const holds = new Map<string, Holds>();
  const running = (): string[] =>
    caches.plans
      .list()
      .filter((p) => !isFinished(p))
      .map((p) => p.metadata.name);

  const tell = (plan: RebalancePlan, step: Step): void => {
    const { kind, reason, message } = step;
    o.log.info({ plan: plan.metadata.name, step: kind, reason, message }, 'plan step');
    if (QUIET.has(kind)) return;
    const type = isWarning(step) ? 'Warning' : 'Normal';
    if (OF_PODS.has(kind) && 'namespace' in step) {
      const { name, namespace, uid } = step;
      const because = `${message} (RebalancePlan ${plan.metadata.name})`;
      o.podRecorder.event(PODS, { metadata: { name, namespace, uid } }, type, reason, because);
      return;
    }
    o.recorder.event(REBALANCE_PLANS, plan, type, reason, message);
    if (kind === 'cordon' || kind === 'uncordon') {
      const node = o.caches.nodes.get(step.node);
      if (node)
        o.recorder.event(NODES, node, type, reason, `${message} (RebalancePlan ${plan.metadata.name})`);
    }
  };

  const write = async (
    plan: RebalancePlan,
    changed: RebalancePlanStatus,
    signal: AbortSignal,
  ): Promise<void> => {
    const { generation } = plan.metadata;
    const status = { ...changed, ...(generation === undefined ? {} : { observedGeneration: generation }) };
    if (JSON.stringify(status) === JSON.stringify(plan.status ?? {})) return;
    await client.replace(REBALANCE_PLANS, { ...plan, status }, { subresource: 'status', signal });
  };

  const read = async (name: string, signal: AbortSignal): Promise<RebalancePlan | undefined> => {
    return await getOrUndefined(client.get(REBALANCE_PLANS, { name }, { signal }));
  };

  return {
    name: 'rebalanceplan.execute',
    sources: [
      watches(caches.plans, (plan, change) => [
        plan.metadata.name,
        // A plan that ends may free the nodes that another one waits for.
        ...(isFinished(plan) || change.type === 'delete' ? running() : []),
      ]),
      watches(caches.nodeClaims, (claim) => {
        const own = claim.metadata.labels?.[PLAN];
        return [...(own ? [own] : []), ...plansUsing(caches.plans.list(), claim.metadata.name)];
      }),
      watches(caches.nodes, () =>
        caches.plans
          .list()
          .filter(isRunning)
          .map((plan) => plan.metadata.name),
      ),
      watches(caches.migrations, (migration) => {
        const own = migration.metadata.labels?.[PLAN];
        return own ? [own] : [];
      }),
      watches(caches.pods, (pod) =>
        caches.plans
          .list()
          .filter((plan) => isRunning(plan) && (pod.spec.nodeName || movesOwnerOf(plan, pod)))
          .map((plan) => plan.metadata.name),
      ),
    ],
    reconcile: async (name, signal) => {
      const plan = await read(name, signal);
      if (!plan) {
        holds.delete(name);
        return awaitChange;
      }
      const held = holds.get(name) ?? new Holds();
      holds.set(name, held);
      const now = o.clock.now();
      const world = await gather(o, plan, held.view(), now, signal);
      const decision = decide(world);
      const writer = {
        client,
        caches,
        account: o.account,
        signal,
        held: (uid: string, after: number | undefined) => held.hold(uid, now, after),
        pins: () => o.pinsOf(name),
      };
      const results = await mapConcurrently(decision.steps, PARALLEL_WRITES, (step) =>
        apply(writer, world, step),
      );
      let status = plan.status ?? {};
      const failures: unknown[] = [];
      for (const [at, result] of results.entries()) {
        const step = decision.steps[at];
        if (result.status === 'rejected') failures.push(result.reason);
        else if (result.value !== LEFT) {
          if (result.value) status = result.value(status);
          if (step && (step.kind !== 'wait-to-start' || isNews(plan, step))) tell(plan, step);
        }
      }
      await write(plan, status, signal);
      if (failures.length > 0) throw failures[0];
      if (isFinished({ ...plan, status }) && decision.steps.length === 0) {
        holds.delete(name);
        return awaitChange;
      }
      if (decision.steps.some((s) => s.reason === 'NotExecuted')) return requeue(LONG_HOLD_MS);
      const isIdle = decision.steps.every((s) => s.kind === 'wait-to-start');
      return requeue(isIdle ? decision.againAfterMs : AFTER_STEPS_MS);
    },
  };
};
