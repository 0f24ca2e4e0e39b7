import { setTimeout as sleep } from 'node:timers/promises';
import { POD_TEMPLATE_HASH } from '../api/labels.ts';
import { controllerOf } from '../api/pods.ts';
import { DEPLOYMENTS, NAMESPACES, PODS } from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { isForbidden, messageOf } from '../kube/errors.ts';
import { getOrUndefined } from '../kube/ignore.ts';
import { undoAll } from '../kube/undo/apply.ts';
import type { Guards } from '../kube/undo/guards.ts';
import { withdrawStatuses } from './capacitybuffers/serve.ts';
import type { IntentRegistry } from './pinning/intentregistry.ts';
import { dropSoftPins } from './softpins/drop.ts';

/**
 * Leaving for good: a leader that is uninstalled or scaled to 0 undoes its plans before it ends. See
 * docs/designs/0017-uninstall.md.
 */

/** Time to undo everything; with the rest of the way out it stays below terminationGracePeriodSeconds. */
const UNDO_MS = 40_000;
/** Time after which a process ends, whatever is left. */
export const LEAVE_MS = 50_000;
const LOOK_MS = 1_000;
const GUARD_LOOK_MS = 3_000;
const ASK_MS = 5_000;
const MOST_LOGGED = 20;

export interface Place {
  readonly namespace: string;
  readonly podName: string;
}

/** The Deployment of a pod: its ReplicaSet is called like it, with the hash of the pod's template. */
const deploymentOf = async (
  client: KubeClient,
  { namespace, podName }: Place,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const pod = await getOrUndefined(client.get(PODS, { namespace, name: podName }, { signal }));
  const owner = pod && controllerOf(pod);
  const ending = `-${pod?.metadata.labels?.[POD_TEMPLATE_HASH]}`;
  return owner?.kind === 'ReplicaSet' && owner.name.endsWith(ending)
    ? owner.name.slice(0, -ending.length)
    : undefined;
};

/**
 * Whether no other replica comes after this one: its namespace, its Deployment or its rights are being deleted, or the
 * Deployment has 0 replicas.
 */
export const isLeavingForGood = async (
  client: KubeClient,
  o: Place & { readonly guards: Guards },
): Promise<boolean> => {
  const signal = AbortSignal.timeout(ASK_MS);
  const { namespace } = o;
  try {
    const home = await getOrUndefined(client.get(NAMESPACES, { name: namespace }, { signal }));
    if (!home || home.metadata.deletionTimestamp) return true;
    if (await o.guards.isLeaving(signal)) return true;
    const name = await deploymentOf(client, o, signal);
    if (name === undefined) return false;
    const deployment = await getOrUndefined(client.get(DEPLOYMENTS, { namespace, name }, { signal }));
    return !deployment || Boolean(deployment.metadata.deletionTimestamp) || deployment.spec?.replicas === 0;
  } catch (error) {
    return isForbidden(error);
  }
};

/** Resolves when the guards are down, or after LEAVE_MS: until then another replica may still have to undo. */
export const untilUndone = async (guards: Guards, signal: AbortSignal): Promise<void> => {
  const until = Date.now() + LEAVE_MS;
  while (!signal.aborted && Date.now() < until) {
    const raised = await guards
      .raised(AbortSignal.timeout(ASK_MS))
      .catch((error: unknown) => (isForbidden(error) ? [] : [messageOf(error)]));
    if (raised.length === 0) return;
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
};

/** Resolves when a guard is being deleted, or when the signal aborts. */
export const untilGuardsLeave = async (guards: Guards, log: Logger, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    try {
      if (await guards.isLeaving(signal)) {
        log.info('the rights to undo plans are being deleted');
        return;
      }
    } catch (error) {
      if (!signal.aborted) log.debug({ reason: messageOf(error) }, 'cannot read the guards');
    }
    await sleep(GUARD_LOOK_MS, undefined, { signal }).catch(() => {});
  }
};

/**
 * Takes back all pins, undoes all plans, and removes the finalizers that kept its rights. Its controllers have stopped.
 * Throws when the signal aborts: the next leader does it then.
 */
export const leaveCluster = async (o: {
  readonly client: KubeClient;
  readonly intentRegistry: IntentRegistry;
  readonly guards: Guards;
  readonly now: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { client, log, signal } = o;
  log.info('leaving for good: undoing all plans');
  // A pinner that lives on makes no placeholder again.
  o.intentRegistry.replaceAll([]);
  await withdrawStatuses({ client, signal }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    log.warn({ reason: messageOf(error) }, 'statuses of CapacityBuffers stay');
  });
  await dropSoftPins(client, signal).catch((error: unknown) => {
    log.warn({ reason: messageOf(error) }, 'soft pins are left until their plans are deleted');
  });
  const { left, writes } = await undoAll(client, { timeoutMs: UNDO_MS, now: o.now, signal });
  for (const what of left.slice(0, MOST_LOGGED))
    log.warn({ what }, 'not undone: run precision-packer uninstall');
  log.info({ writes, left: left.length }, 'left the cluster');
  await o.guards.lower(AbortSignal.timeout(ASK_MS)).catch((error: unknown) => {
    log.warn({ reason: messageOf(error) }, 'cannot remove the finalizers of the rights to undo plans');
  });
};
