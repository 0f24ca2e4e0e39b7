import type { Registry } from 'prom-client';
import type { NodeClaim } from '../../api/objects.ts';
import { NODES } from '../../api/resources.ts';
import type { Logger } from '../../kube/component/log.ts';
import { gauge } from '../../kube/component/metrics.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { messagesOf } from '../../planner/cluster/blocker.ts';
import { protectionBlockers } from '../../planner/cluster/candidate.ts';
import { type Caches, claimOf, nodeOf } from '../caches.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import { sentenceOf } from '../rebalanceplan/drain/blockers.ts';
import { rulesOf } from '../rebalanceplan/state/evictionrules.ts';
import { expiryOf } from './path.ts';

/** How often a node whose pods can't move is told so again. */
const AGAIN_MS = 3_600_000;

/** Least time between two looks at a node, which changes with every heartbeat. */
const LOOK_MS = 600_000;

/**
 * From when on a claim is looked at before it expires, in milliseconds since 1970; undefined when it never does. A node
 * that lives for less than twice the notice is looked at from half of its life on.
 */
export const noticeTime = (claim: NodeClaim, noticeMs: number): number | undefined => {
  const expiry = expiryOf(claim);
  if (expiry === undefined) return undefined;
  const life = expiry - Date.parse(claim.metadata.creationTimestamp ?? '');
  return expiry - Math.min(noticeMs, life / 2);
};

/** Tells, long before a node expires, which of its pods can't be evicted: at its time Karpenter ends it all the same. */
export const createExpiryWarningController = (o: {
  readonly caches: Caches;
  readonly noticeMs: number;
  readonly schedulers?: readonly string[];
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics?: Registry;
}): Controller => {
  const { caches, clock, recorder } = o;
  const blocked = new Map<string, boolean>();
  const lookedAt = new Map<string, number>();
  const nodes = o.metrics
    ? gauge(
        o.metrics,
        'kentroller_expiring_nodes',
        'Nodes that expire soon, by whether their pods can move',
        ['blocked'],
      )
    : undefined;
  const record = (name: string, isBlocked: boolean | undefined): void => {
    if (isBlocked === undefined) {
      blocked.delete(name);
      lookedAt.delete(name);
    } else blocked.set(name, isBlocked);
    const all = [...blocked.values()];
    for (const is of [true, false]) nodes?.set({ blocked: String(is) }, all.filter((b) => b === is).length);
  };

  const blockersOn = (name: string, claim: NodeClaim): readonly string[] => {
    const node = caches.nodes.get(name);
    if (!node) return [];
    const found = protectionBlockers(
      { node, claim, pods: caches.pods.by('node', name) },
      {
        ...rulesOf(caches, {}, clock.now(), o.schedulers),
        budgets: caches.podDisruptionBudgets.list(),
      },
    );
    // Marks on the node itself keep nothing from expiring.
    return messagesOf(found.filter(({ pod }) => pod !== undefined));
  };

  return {
    name: 'nodeclaim.expiry-warning',
    sources: [
      watches(caches.nodes, ({ metadata: { name } }, { type }) => {
        if (type === 'delete') record(name, undefined);
        return [name];
      }),
      watches(caches.nodeClaims, (claim) => {
        const node = nodeOf(caches, claim);
        return node ? [node.metadata.name] : [];
      }),
    ],
    reconcile: async (name) => {
      const node = caches.nodes.get(name);
      const claim = node && claimOf(caches, node);
      const from = claim && noticeTime(claim, o.noticeMs);
      const now = clock.now();
      if (!claim || from === undefined || claim.metadata.deletionTimestamp) {
        record(name, undefined);
        return awaitChange;
      }
      if (now < from) return requeue(Math.min(from - now, AGAIN_MS));
      const restMs = LOOK_MS - (now - (lookedAt.get(name) ?? Number.NEGATIVE_INFINITY));
      if (restMs > 0) return requeue(restMs);
      lookedAt.set(name, now);
      const reasons = blockersOn(name, claim);
      record(name, reasons.length > 0);
      if (reasons.length > 0) {
        const at = new Date(expiryOf(claim) ?? now).toISOString();
        const message = `It expires at ${at}, and is ended then though ${sentenceOf(reasons)}. Let what can't be evicted end or move before.`;
        recorder.event(NODES, node, 'Warning', 'ExpiryBlocked', message);
        o.log.warn(
          { node: name, at, reasons: reasons.slice(0, 10) },
          'node expires with pods that cannot move',
        );
      }
      return requeue(AGAIN_MS);
    },
  };
};
