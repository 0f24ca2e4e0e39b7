import type { KubeEvent, Node, NodeClaim } from '../../../api/objects.ts';
import { EVENTS, NODE_CLAIMS, NODES } from '../../../api/resources.ts';
import { type Cache, createCache } from '../../../kube/cache/cache.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import type { Logger } from '../../../kube/component/log.ts';
import { HORIZON_MS, type Signal, type SignalKind } from '../signal.ts';
import type { PredictionSource, SourceAnswer, WatchedNode } from '../source.ts';

/**
 * Karpenter's events about Nodes and NodeClaims, which say what it read from its interruption queue: nobody else may read
 * that, since it deletes every message. See docs/designs/0051-spot-prediction.md for who could forge them.
 */

const KINDS: Readonly<Record<string, SignalKind>> = {
  SpotRebalanceRecommendation: 'rebalance-recommendation',
  SpotInterrupted: 'interruption',
  CapacityReservationInstanceInterrupted: 'reservation-interruption',
  InstanceStopping: 'stopping',
  InstanceTerminating: 'terminating',
};
export const KARPENTER_REASONS: readonly string[] = Object.keys(KINDS);

const timeOf = ({ lastTimestamp, eventTime, metadata }: KubeEvent): number =>
  Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '');

/** The signals in events about these nodes and their NodeClaims, by uid: a name may be that of an earlier machine. */
export const signalsIn = (
  events: readonly KubeEvent[],
  nodes: readonly WatchedNode[],
  now: number,
): readonly Signal[] => {
  const names = new Map<string, string>();
  const add = (kind: string, object: Node | NodeClaim, node: string): void => {
    if (object.metadata.uid) names.set(`${kind}/${object.metadata.name}/${object.metadata.uid}`, node);
  };
  for (const { node, claim } of nodes) {
    add(NODES.kind, node, node.metadata.name);
    add(NODE_CLAIMS.kind, claim, node.metadata.name);
  }
  return events.flatMap((event): Signal[] => {
    const kind = Object.entries(KINDS).find(([reason]) => reason === event.reason)?.[1];
    const { kind: about, name, uid } = event.involvedObject ?? {};
    const node = names.get(`${about}/${name}/${uid}`);
    const at = timeOf(event);
    if (kind === undefined || node === undefined || !(now - at < HORIZON_MS)) return [];
    // The clock of who wrote it may be ahead of ours.
    return [{ node, kind, at: Math.min(at, now) }];
  });
};

/** Events of Karpenter's five reasons, watched only while it is open. */
export const createKarpenterEvents = (o: {
  readonly client: KubeClient;
  readonly log: Logger;
  /** Called when one more event has come. */
  readonly onEvent: () => void;
}): PredictionSource & { open(signal: AbortSignal): void } => {
  const caches: readonly Cache<KubeEvent>[] = KARPENTER_REASONS.map((reason) =>
    createCache({
      client: o.client,
      log: o.log,
      resource: EVENTS,
      namespace: 'default',
      fieldSelector: `reason=${reason}`,
      isOptional: true,
    }),
  );
  for (const cache of caches) {
    cache.onChange(({ type }) => {
      if (type !== 'delete' && cache.hasSynced) o.onEvent();
    });
  }
  return {
    name: 'karpenter-events',
    open: (signal) => {
      for (const cache of caches) cache.start(signal);
    },
    poll: async ({ nodes, now }): Promise<SourceAnswer> => {
      const signals = signalsIn(
        caches.flatMap((cache) => cache.list()),
        nodes,
        now,
      );
      const isForbidden = caches.some(({ absence }) => absence === 'forbidden');
      const hasSynced = caches.every((cache) => cache.hasSynced);
      const condition = isForbidden
        ? ({
            status: 'False',
            reason: 'Forbidden',
            message: 'Events can not be listed and watched: apply the roles of this release.',
          } as const)
        : hasSynced
          ? ({
              status: 'True',
              reason: 'Watching',
              message: "Karpenter's events about nodes and NodeClaims are watched.",
            } as const)
          : ({ status: 'Unknown', reason: 'Reading', message: 'Events are being read.' } as const);
      return { condition, signals, predictions: [] };
    },
  };
};
