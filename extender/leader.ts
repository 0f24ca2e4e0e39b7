import type { Registry } from 'prom-client';
import type { Node, Pod } from '../api/objects.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { runControllers } from '../kube/controller/controller.ts';
import { createRecorder } from '../kube/controller/events.ts';
import type { HoldTimeouts } from '../planner/pinning/gatepolicy.ts';
import { memoizeRequests } from '../planner/scheduling/fit.ts';
import { Results } from './intents/results.ts';
import { IntentStore } from './intents/store.ts';
import { type Dialed, followStream } from './intents/stream.ts';
import type { ExtenderMetrics } from './metrics.ts';
import { createPlaceholderController } from './placeholder/controller.ts';
import { AssumedPods } from './placement/assumedpods.ts';
import { Refusals } from './placement/refusals.ts';
import type { Report, State } from './placement/state.ts';
import { createGateController } from './pods/gate.ts';
import { createPinController } from './pods/pin.ts';
import { createRejectedPodController } from './pods/rejected.ts';
import { createStaleNominationController } from './pods/stalenomination.ts';
import { runWhileEnabled, type Toggle } from './toggle.ts';

/** Concurrent reconciles of each controller, and so its concurrent writes. */
const WORKERS = 16;

const COMPONENT = 'castai-pod-pinner';

export interface LeaderOptions {
  /** Fenced client: it refuses to write once another replica may lead. */
  readonly client: KubeClient;
  readonly pods: Cache<Pod>;
  readonly nodes: Cache<Node>;
  readonly dial: () => Promise<Dialed | undefined>;
  readonly clientId: string;
  readonly clusterId: string;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly registry: Registry;
  readonly metrics: ExtenderMetrics;
  /** Called with the state when this replica starts to lead, and with undefined when it stops. */
  readonly onState: (state: State | undefined) => void;
  readonly now: () => number;
  /** The feature podPinner, which may change at any time. */
  readonly enabled: Toggle;
  /** How long pods that a kubelet rejected are kept, in milliseconds. */
  readonly keepRefusedMs: number;
  readonly holdLimits: HoldTimeouts;
  /** As in State. */
  readonly schedulers: readonly string[];
}

/** Runs the leader's work until the signal aborts: the intent stream, placeholders and pins. */
export const lead = async (o: LeaderOptions): Promise<void> => {
  const { client, pods, nodes, signal, log, metrics, now } = o;
  const store = new IntentStore(log);
  const assumedPods = new AssumedPods(now);
  const results = new Results();
  const refusals = new Refusals(pods, now);
  const { schedulers } = o;
  const requestsOf = memoizeRequests();
  const state: State = { store, pods, nodes, assumedPods, refusals, requestsOf, schedulers, now };
  const report: Report = (intentId, result) => {
    const version = store.get(intentId)?.version;
    if (version !== undefined) results.report({ intentId, version, ...result });
  };
  await Promise.all([pods.synced(signal), nodes.synced(signal)]);
  const recorder = createRecorder({ client, component: COMPONENT, log });
  const context = { client, state, report, log };
  const unsubscribe = [
    pods.onChange((change) => {
      assumedPods.observe(change);
      refusals.observe(change);
    }),
    store.onChange(() => metrics.intents(store)),
  ];
  metrics.leading(true);
  o.onState(state);
  try {
    await Promise.all([
      runWhileEnabled({
        ...o.enabled,
        work: (workSignal) =>
          followStream({
            dial: o.dial,
            store,
            results,
            clientId: o.clientId,
            clusterId: o.clusterId,
            signal: workSignal,
            log,
            onState: metrics.streaming,
          }),
        onDisabled: () => {
          store.disable();
          results.forgetAll();
        },
        signal,
        log,
      }),
      runControllers({
        controllers: [
          createPlaceholderController(context),
          createPinController({ ...context, observe: metrics.pinned }),
          createGateController({
            ...context,
            recorder,
            limits: o.holdLimits,
            observe: metrics.pinned,
          }),
          createStaleNominationController(context),
          createRejectedPodController({
            ...context,
            recorder,
            keepMs: o.keepRefusedMs,
            observe: metrics.refused,
            observeClosed: metrics.closed,
            isEnabled: o.enabled.isOn,
          }),
        ],
        concurrency: WORKERS,
        signal,
        log,
        metrics: o.registry,
      }),
    ]);
  } finally {
    o.onState(undefined);
    metrics.leading(false);
    for (const stop of unsubscribe) stop();
  }
};
