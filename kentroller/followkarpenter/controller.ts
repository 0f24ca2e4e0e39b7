import { PLACEHOLDER } from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import type { Pod } from '../../api/objects.ts';
import { NODE_CLAIMS, PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import type { Caches } from '../caches.ts';
import type { Derivation, Derived, FollowLimits } from './derivation.ts';
import type { Machine } from './machines.ts';
import { staleNominationReason } from './pods.ts';

/** Everything is looked at together, since any pod may go to any claim. */
const ALL = ['cluster'] as const;
/** Least time between two looks; changes within it are taken as one. */
const TOGETHER_MS = 50;
/** And at least so many times what the last look took: the rest of kentroller shares the thread. */
const REST_FACTOR = 4;
const LOOK_AGAIN_MS = 1_000;
/** The pinner gives up a placeholder at the deadline; so much later it is taken to be away. */
const GRACE_MS = 15_000;
const AT_ONCE = 32;

interface FollowOptions {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly derivation: Derivation;
  readonly limits: FollowLimits;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: { readonly now: () => number };
}

/** Gives pods back to Karpenter and kube-scheduler that wait for a node which will not take them. */
const clearStaleNominations = async (
  p: FollowOptions,
  { machines, waiting }: Derived,
  signal: AbortSignal,
): Promise<number> => {
  const { caches, limits } = p;
  const nominated = waiting.filter((pod) => pod.status?.nominatedNodeName);
  const stale = nominated.flatMap((pod): { pod: Pod; reason: string }[] => {
    const reason = staleNominationReason(pod, {
      machines,
      hasClaim: (name) => caches.nodeClaims.get(name) !== undefined,
      node: (name) => caches.nodes.get(name),
      podsOn: (name) => caches.pods.by('node', name),
      now: p.clock.now(),
      holdMs: limits.holdMs,
    });
    return reason === null ? [] : [{ pod, reason }];
  });
  const clear = async ({ pod, reason }: { pod: Pod; reason: string }): Promise<void> => {
    const { name, namespace = 'default', uid } = pod.metadata;
    const body = { metadata: { uid }, status: { nominatedNodeName: null } };
    await p.client
      .patch(PODS, { name, namespace }, body, { subresource: 'status', signal })
      .then(() =>
        p.log.info({ name, namespace, node: pod.status?.nominatedNodeName, reason }, 'pod given back'),
      )
      .catch(ignoreNotFoundOrConflict);
  };
  for (let at = 0; at < stale.length; at += AT_ONCE) {
    await Promise.all(stale.slice(at, at + AT_ONCE).map(clear));
  }
  return nominated.length;
};

// To Karpenter the placeholder's machine has joined, so it no longer ends machines that never do by itself.
const deleteOverdueClaims = async (
  p: FollowOptions,
  machines: readonly Machine[],
  signal: AbortSignal,
): Promise<void> => {
  for (const { claim, node } of machines) {
    const deadline = Date.parse(claim.metadata.creationTimestamp ?? '') + p.limits.joinDeadlineMs + GRACE_MS;
    const isStanding = node?.metadata.labels?.[PLACEHOLDER] !== undefined && !hasJoined(node);
    if (!isStanding || p.clock.now() < deadline) continue;
    const { name, uid } = claim.metadata;
    await p.client
      .delete(NODE_CLAIMS, { name }, { ...(uid ? { uid } : {}), signal })
      .catch(ignoreNotFoundOrConflict);
    const message = `The machine of ${node.metadata.name} did not join in time and is given up`;
    p.recorder.event(NODE_CLAIMS, claim, 'Warning', 'MachineNeverJoined', message);
    p.log.warn({ claim: name, node: node.metadata.name }, 'machine never joined, its claim is deleted');
  }
};

/**
 * Keeps the plan that Karpenter made when it bought machines for pending pods: says which pod belongs on which claim
 * in flight, and sees to it that no pod waits for a machine that will not take it.
 */
export const createFollowController = (p: FollowOptions): Controller => {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let restMs = TOGETHER_MS;
  return {
    name: 'nodeclaim.follow',
    sources: [
      watches(p.caches.nodeClaims, () => ALL),
      watches(p.caches.nodes, (_node, change) => (change.type === 'update' ? [] : ALL)),
      watches(p.caches.pods, (pod, change) => {
        const wasWaiting = change.type === 'update' && !change.old.spec.nodeName;
        return !pod.spec.nodeName || wasWaiting ? ALL : [];
      }),
    ],
    reconcile: async (_key, signal) => {
      const wait = lookedAt + restMs - p.clock.now();
      if (wait > 0) return requeue(wait);
      const startedAt = p.clock.now();
      const derived = p.derivation.derive();
      lookedAt = p.clock.now();
      restMs = Math.max(TOGETHER_MS, REST_FACTOR * (lookedAt - startedAt));
      const nominated = await clearStaleNominations(p, derived, signal);
      await deleteOverdueClaims(p, derived.machines, signal);
      if (!derived.isSettled) return requeue(p.limits.settleMs);
      return derived.machines.length + nominated > 0 ? requeue(LOOK_AGAIN_MS) : awaitChange;
    },
  };
};
