import type { Registry } from 'prom-client';
import type { Node, Pod } from '../api/objects.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { runControllers } from '../kube/controller/controller.ts';
import { createRecorder } from '../kube/controller/events.ts';
import type { HoldLimits } from '../planner/pinning/gatepolicy.ts';
import { rememberRequests } from '../planner/scheduling/fit.ts';
import { Results } from './intents/results.ts';
import { IntentStore } from './intents/store.ts';
import { type Dialed, followStream } from './intents/stream.ts';
import type { ExtenderMetrics } from './metrics.ts';
import { placeholders } from './placeholder/controller.ts';
import { Ledger } from './placement/assumedpods.ts';
import type { Report, State } from './placement/state.ts';
import { holds } from './pods/gate.ts';
import { pins } from './pods/pin.ts';
import { refusedPods } from './pods/rejected.ts';
import { releasePods } from './pods/stalenomination.ts';
import { type Switch, whileEnabled } from './whileenabled.ts';

/** Workers of each controller: writes to the API server that are under way at once. */
const WORKERS = 16;

const COMPONENT = 'castai-pod-pinner';

export interface LeaderParts {
  /** Fenced: refuses to write when leadership may be someone else's. */
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
  /** Told of the state while this replica leads, and of its end. */
  readonly onState: (state: State | undefined) => void;
  readonly now: () => number;
  /** Whether pods are pinned at all; it may change at any time. */
  readonly enabled: Switch;
  /** How long pods that a kubelet refused are kept, in milliseconds. */
  readonly keepRefusedMs: number;
  readonly holdLimits: HoldLimits;
}

/** The leader's work: follow the stream, keep placeholders, pin pods. Ends when the signal aborts. */
export const lead = async (o: LeaderParts): Promise<void> => {
  const { client, pods, nodes, signal, log, metrics, now } = o;
  const store = new IntentStore(log);
  const ledger = new Ledger(now);
  const results = new Results();
  const state: State = { store, pods, nodes, ledger, requestsOf: rememberRequests(), now };
  const report: Report = (intentId, result) => {
    const version = store.get(intentId)?.version;
    if (version !== undefined) results.report({ intentId, version, ...result });
  };
  await Promise.all([pods.synced(signal), nodes.synced(signal)]);
  const recorder = createRecorder({ client, component: COMPONENT, log });
  const parts = { client, state, report, log };
  const unsubscribe = [
    pods.onChange((change) => ledger.observe(change)),
    store.onChange(() => metrics.intents(store)),
  ];
  metrics.leading(true);
  o.onState(state);
  try {
    await Promise.all([
      whileEnabled({
        ...o.enabled,
        work: (on) =>
          followStream({
            dial: o.dial,
            store,
            results,
            clientId: o.clientId,
            clusterId: o.clusterId,
            signal: on,
            log,
            onState: metrics.streaming,
          }),
        rest: () => {
          store.rest();
          results.forgetAll();
        },
        signal,
        log,
      }),
      runControllers({
        controllers: [
          placeholders(parts),
          pins({ ...parts, observe: metrics.pinned, missing: new Map() }),
          holds({
            ...parts,
            recorder,
            limits: o.holdLimits,
            observe: metrics.pinned,
          }),
          releasePods(parts),
          refusedPods({
            ...parts,
            recorder,
            keepMs: o.keepRefusedMs,
            observe: metrics.refused,
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
    for (const end of unsubscribe) end();
  }
};
