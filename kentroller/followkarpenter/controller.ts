import type { Registry } from 'prom-client';
import { PLACEHOLDER } from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import type { Pod } from '../../api/objects.ts';
import { NODE_CLAIMS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { gauge } from '../../kube/component/metrics.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import { writeNomination } from '../../kube/nomination.ts';
import type { Caches } from '../caches.ts';
import type { Derivation, Derived, FollowLimits } from './derivation.ts';
import type { Machine } from './machines.ts';
import { staleNominationReason } from './pods.ts';

/** One key for everything, since any pod may belong to any claim. */
const ALL = ['cluster'] as const;
/** Least time between two derivations; changes within it are handled as one. */
const MIN_INTERVAL_MS = 50;
/** Interval as a multiple of the last derivation's duration: other work of kentroller shares the thread. */
const INTERVAL_FACTOR = 4;
const RESYNC_MS = 1_000;
/** Delay after a placeholder's deadline, at which the pinner deletes it, until the pinner is assumed to be down. */
const GRACE_MS = 15_000;
const MAX_CONCURRENT_PATCHES = 32;

interface FollowOptions {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'nodes' | 'nodeClaims' | 'pods'>;
  readonly derivation: Derivation;
  readonly limits: FollowLimits;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: { readonly now: () => number };
  readonly metrics: Registry;
}

/** Clears stale nominations, so that Karpenter and kube-scheduler act on the pods. Returns the nominated pods' number. */
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
    return reason === undefined ? [] : [{ pod, reason }];
  });
  const clear = async ({ pod, reason }: { pod: Pod; reason: string }): Promise<void> => {
    const { name, namespace = 'default' } = pod.metadata;
    await writeNomination({ client: p.client, signal }, pod, null)
      .then(() =>
        p.log.info(
          { name, namespace, node: pod.status?.nominatedNodeName, reason },
          'stale nomination cleared',
        ),
      )
      .catch(ignoreNotFoundOrConflict);
  };
  for (let at = 0; at < stale.length; at += MAX_CONCURRENT_PATCHES) {
    await Promise.all(stale.slice(at, at + MAX_CONCURRENT_PATCHES).map(clear));
  }
  return nominated.length;
};

const createdAt = ({ claim }: Machine): string => claim.metadata.creationTimestamp ?? '';

// A placeholder counts as a registered node for Karpenter, so its own registration timeout does not apply any more.
const deleteOverdueClaims = async (
  p: FollowOptions,
  machines: readonly Machine[],
  signal: AbortSignal,
): Promise<void> => {
  for (const machine of machines) {
    const { claim, node } = machine;
    const deadline = Date.parse(createdAt(machine)) + p.limits.joinDeadlineMs + GRACE_MS;
    const isPlaceholder = node?.metadata.labels?.[PLACEHOLDER] !== undefined && !hasJoined(node);
    if (!isPlaceholder || p.clock.now() < deadline) continue;
    const { name, uid } = claim.metadata;
    await p.client
      .delete(NODE_CLAIMS, { name }, { ...(uid && { uid }), signal })
      .catch(ignoreNotFoundOrConflict);
    const message = `The machine of node ${node.metadata.name} did not join in time: its NodeClaim is deleted, so that Karpenter orders another`;
    p.recorder.event(NODE_CLAIMS, claim, 'Warning', 'MachineNeverJoined', message);
    p.log.warn(
      { claim: name, node: node.metadata.name },
      'machine did not join in time, deleted its NodeClaim',
    );
  }
};

/** Says once for each set of machines that pods which they were bought for have no place on them. */
const createReporter = (p: FollowOptions) => {
  const unplacedPods = gauge(
    p.metrics,
    'kentroller_follow_pods_without_place',
    'Pending pods without a place on the machines that Karpenter bought for them',
    [],
  );
  unplacedPods.set(0);
  let reported = '';
  return ({ machines, unplaced }: Derived): void => {
    unplacedPods.set(unplaced);
    const names = machines.map(({ claim }) => claim.metadata.name);
    const [newest] = [...machines].sort((a, b) => (createdAt(a) < createdAt(b) ? 1 : -1));
    if (unplaced === 0 || newest === undefined || names.join() === reported) return;
    reported = names.join();
    const message = `${unplaced} of the pods that the NodeClaims in flight were bought for have no place on them: kube-scheduler places these, and Karpenter may order another machine`;
    p.recorder.event(NODE_CLAIMS, newest.claim, 'Warning', 'PodsWithoutPlace', message);
    p.log.warn({ pods: unplaced, claims: names }, 'no place for pods on the machines bought for them');
  };
};

/**
 * Pins pending pods to the machines that Karpenter ordered for them, and releases pods from a machine that will not take
 * them.
 */
export const createFollowController = (p: FollowOptions): Controller => {
  const report = createReporter(p);
  let derivedAt = Number.NEGATIVE_INFINITY;
  let intervalMs = MIN_INTERVAL_MS;
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
      const wait = derivedAt + intervalMs - p.clock.now();
      if (wait > 0) return requeue(wait);
      const startedAt = p.clock.now();
      const derived = p.derivation.derive();
      derivedAt = p.clock.now();
      intervalMs = Math.max(MIN_INTERVAL_MS, INTERVAL_FACTOR * (derivedAt - startedAt));
      report(derived);
      const nominated = await clearStaleNominations(p, derived, signal);
      await deleteOverdueClaims(p, derived.machines, signal);
      if (!derived.isSettled) return requeue(p.limits.settleMs);
      return derived.machines.length + nominated > 0 ? requeue(RESYNC_MS) : awaitChange;
    },
  };
};
