import type { Registry } from 'prom-client';
import type { Pod } from '../../api/objects.ts';
import { HORIZONTAL_POD_AUTOSCALERS } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import type { Caches } from '../caches.ts';
import { runBuffers } from '../capacitybuffers/run.ts';
import { executionLimits } from '../limits.ts';
import type { Options } from '../options.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import { createProvisioner } from './buying/provisioner.ts';
import type { CycleOptions } from './cycleoptions.ts';
import type { Evaluation } from './decide.ts';
import { headroomPods } from './headroom.ts';
import { unscheduledPodsMetrics } from './metrics.ts';
import { buyForUnscheduledPods, type UnscheduledPodsOptions } from './run.ts';

/** Starts what buys for pods without a node, until the signal aborts. */
export const startUnscheduledPods = ({
  options,
  registry,
  ...o
}: Omit<
  UnscheduledPodsOptions,
  | Exclude<
      keyof CycleOptions,
      'client' | 'caches' | 'catalogue' | 'recorder' | 'podRecorder' | 'log' | 'clock'
    >
  | 'metrics'
> & {
  readonly options: Options;
  readonly registry: Registry;
  readonly signal: AbortSignal;
}): { readonly ended: Promise<void>; readonly last: () => Evaluation | undefined } => {
  const { client, log, signal } = o;
  const autoscalers = createCache({
    client,
    log,
    resource: HORIZONTAL_POD_AUTOSCALERS,
    isOptional: true,
  });
  autoscalers.start(signal);
  const room = runBuffers({
    client,
    caches: o.caches,
    policies: o.policies,
    schedulers: options.schedulerNames,
    recorder: o.podRecorder,
    log,
    now: o.clock.now,
    signal,
  });
  const { ended, last } = buyForUnscheduledPods({
    ...o,
    autoscalers,
    room,
    provisioning: createProvisioner(signal),
    window: { idleMs: options.unscheduledPodsIdle, maxMs: options.unscheduledPodsMaxWait },
    schedulers: options.schedulerNames,
    followsKarpenter: options.followKarpenter,
    limits: executionLimits(options),
    metrics: unscheduledPodsMetrics(registry),
  });
  return { ended: Promise.all([ended, room.ended]).then(() => {}), last };
};

/** The pods that the headroom of the policies in force stands for; none while nobody knows these. */
export const headroomNow =
  (policies: () => PoliciesNow, caches: Pick<Caches, 'nodes' | 'nodeClaims'>) => (): readonly Pod[] => {
    const now = policies();
    return now.known
      ? headroomPods(
          now.policies.unschedulablePods,
          { nodes: caches.nodes.list(), nodeClaims: caches.nodeClaims.list() },
          now.policies.scopedMode,
        )
      : [];
  };

/** The most cores that the policies in force allow; while nobody knows these, what was known last, if anything ever was. */
export const clusterLimitNow = (
  policies: () => PoliciesNow,
): { readonly maxCores: () => number | undefined; readonly isKnown: () => boolean } => {
  let last: { readonly maxCores: number | undefined } | undefined;
  const read = (): typeof last => {
    const now = policies();
    if (now.known) last = { maxCores: now.policies.clusterLimits?.maxCores };
    return last;
  };
  return { maxCores: () => read()?.maxCores, isKnown: () => read() !== undefined };
};
