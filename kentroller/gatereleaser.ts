import type { Registry } from 'prom-client';
import { PIN_GATE, PREPARING_TAINT } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import { isRunning, movesOwnerOf } from '../api/plans.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { GateReleaser } from '../kube/heldpods/gatereleaser.ts';
import { createGateReleasePolicy } from '../planner/pinning/gatepolicy.ts';
import type { Caches } from './caches.ts';
import type { Options } from './options.ts';

/** Removes the gates of held pods while the pod pinner is down; runs in every replica, leader or not. */
export const createGateReleaser = (o: {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'plans' | 'nodes'>;
  readonly options: Options;
  readonly log: Logger;
  readonly metrics: Registry;
}): GateReleaser => {
  const { caches, options } = o;
  // Before the caches have synced, any owner may be in a plan.
  const isMoved = (pod: Pod): boolean =>
    !caches.plans.hasSynced || caches.plans.list().some((plan) => isRunning(plan) && movesOwnerOf(plan, pod));
  return new GateReleaser({
    client: o.client,
    log: o.log,
    metrics: o.metrics,
    judge: createGateReleasePolicy({
      limits: { timeoutMs: options.pinHoldTimeout, longestMs: options.pinHoldLimit },
      ownTaints: new Set([PREPARING_TAINT]),
      gate: PIN_GATE,
      isMoved,
    }),
    nodeOf: async (name) => caches.nodes.get(name),
    lease: { namespace: options.podNamespace, name: options.pinnerLease },
    identity: '',
    now: Date.now,
  });
};
