import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Audit } from '../audit/trail.ts';
import { Bell } from '../bell.ts';
import { backoffAfter } from '../continuous/decide.ts';
import type { PolicyRecord } from '../policies/record.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import { releaseAll, runCycle } from './cycle.ts';
import type { CycleMemory, CycleOptions, Outcome } from './cycleoptions.ts';
import { type Evaluation, UNSCHEDULED_PODS } from './decide.ts';
import { keepHolds } from './keepholds.ts';
import { Memory } from './memory.ts';
import type { UnscheduledPodsMetrics } from './metrics.ts';
import { report, retract } from './reports.ts';
import { RoomRests } from './room.ts';
import { StoredPlans } from './storedplans.ts';

/** Least time between two cycles; changes within it are handled as one. */
const MIN_INTERVAL_MS = 50;
/** Longest time between two, so that nothing depends on a change being seen. */
const RESYNC_MS = 5_000;
const FAILURE_BACKOFF_MS = 60_000;
/** How long pods stay nominated while nobody knows the policies; after that Karpenter buys for them. */
const UNKNOWN_MS = 2 * 60_000;

export interface UnscheduledPodsOptions extends Omit<CycleOptions, 'signal'> {
  readonly policies: { now(): PoliciesNow; onChange(handler: () => void): () => void };
  readonly record: Pick<PolicyRecord, 'note' | 'did' | 'forget'>;
  /** Whether plans may start. */
  readonly isEnabled: () => boolean;
  readonly metrics: UnscheduledPodsMetrics;
  readonly audit: Audit;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Rings when something changes that an evaluation looks at; returns what unsubscribes. */
const subscribe = (o: UnscheduledPodsOptions, ring: () => void): (() => void)[] => {
  const { caches } = o;
  return [
    caches.pods.onChange((change) => {
      const { object } = change;
      const before = change.type === 'update' ? change.old : undefined;
      // Of pods that have their node, only those matter that have just got it, or that are gone and leave room.
      if (!object.spec.nodeName || (before && !before.spec.nodeName) || change.type === 'delete') ring();
    }),
    caches.plans.onChange(ring),
    caches.nodeClaims.onChange((change) => {
      if (change.type !== 'update') ring();
    }),
    caches.nodePools.onChange(ring),
    caches.unavailable.onChange(ring),
    o.policies.onChange(ring),
    ...(o.room ? [o.room.onChange(ring)] : []),
  ];
};

/** How long to wait for the next cycle, in milliseconds. */
const waitAfter = ({ evaluation: { pods } }: Outcome, now: number): number => {
  const until = pods.kind === 'wait' || pods.kind === 'left' ? pods.until : now + RESYNC_MS;
  return Math.min(Math.max(MIN_INTERVAL_MS, until - now), RESYNC_MS);
};

/**
 * Evaluates the policies until the signal aborts: whenever pods, plans, NodeClaims or settings change, and at the end of
 * windows. Returns at once what the last evaluation said of nodes.
 */
export const buyForUnscheduledPods = (
  o: UnscheduledPodsOptions,
): { readonly ended: Promise<void>; readonly last: () => Evaluation | undefined } => {
  const log = o.log.child({ logger: UNSCHEDULED_PODS });
  const object = { kind: 'AutoscalerPolicy', name: 'default' };
  let last: Evaluation | undefined;
  const loop = async (): Promise<void> => {
    const { signal, clock, metrics } = o;
    const bell = new Bell();
    const unsubscribe = subscribe(o, bell.ring);
    const memory: CycleMemory = { pods: new Memory(), stored: new StoredPlans(), room: new RoomRests() };
    let isOn = false;
    const stopKeeping = keepHolds(o, memory, () => isOn);
    let said = '';
    let failures = 0;
    let unknownSince: number | undefined;
    const say = (message: string, reason: string): void => {
      if (message === said) return;
      said = message;
      log.info({ outcome: message }, 'unscheduled-pods cycle');
      o.audit.note({ kind: 'decision', object, reason, message });
    };
    /** One turn; returns how long to wait. */
    const turn = async (): Promise<number> => {
      const now = o.policies.now();
      const policies = now.known ? now.policies : undefined;
      isOn = policies?.unschedulablePods !== undefined && o.isEnabled();
      metrics.enabled.set(isOn ? 1 : 0);
      unknownSince = now.known ? undefined : (unknownSince ?? clock.now());
      if (!policies || !isOn) {
        last = undefined;
        metrics.waiting.set(0);
        retract(o.record);
        // Not known is not off: at the start of a leader it passes at once, and pods that are given back are bought for twice.
        if (unknownSince === undefined || clock.now() - unknownSince > UNKNOWN_MS) await releaseAll(o);
        return RESYNC_MS;
      }
      const startedAt = clock.now();
      const outcome = await runCycle(o, memory, policies);
      last = outcome.evaluation;
      report(o.record, outcome);
      metrics.waiting.set(outcome.evaluation.waiting.length - outcome.pods);
      if (outcome.plans.length > 0) {
        metrics.pods.inc(outcome.pods);
        metrics.nodes.inc(outcome.nodes);
        const seen = outcome.evaluation.waiting.flatMap(
          ({ metadata }) => memory.pods.watched.get(metadata.uid ?? '')?.seenAt ?? [],
        );
        metrics.latency.observe((clock.now() - Math.min(startedAt, ...seen)) / 1_000);
        say(outcome.message, 'UnscheduledPods');
      } else if (outcome.evaluation.pods.kind !== 'wait') say(outcome.message, 'UnscheduledPods');
      return waitAfter(outcome, clock.now());
    };
    while (!signal.aborted) {
      let waitMs: number;
      try {
        waitMs = await turn();
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        metrics.failures.inc();
        waitMs = backoffAfter(failures, FAILURE_BACKOFF_MS, error, MIN_INTERVAL_MS * 10);
        log.warn({ err: error, retryMs: waitMs }, 'unscheduled-pods cycle failed');
        say(messageOf(error), 'UnscheduledPodsFailed');
        await sleep(waitMs, undefined, { signal }).catch(() => {});
        continue;
      }
      await sleep(MIN_INTERVAL_MS, undefined, { signal }).catch(() => {});
      await bell.wait(waitMs, signal);
    }
    for (const stop of [...unsubscribe, stopKeeping]) stop();
  };
  return { ended: loop(), last: () => last };
};
