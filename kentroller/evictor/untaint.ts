import { EVICTED_TAINT } from '../../api/labels.ts';
import { taintsWithout } from '../../api/nodes.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { type Caches, claimOf } from '../caches.ts';
import { updateNode } from '../rebalanceplan/writes/nodes.ts';
import { hasEvictedTaint, nodesToUntaint, recentlyDrained } from './moves.ts';

export interface UntaintOptions {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'nodes' | 'nodeClaims' | 'plans'>;
  readonly now: number;
  readonly cooldownMs: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Takes the soft taint off nodes whose cooldown is over; one whose write is refused is left to the next time. */
export const untaint = async (o: UntaintOptions): Promise<void> => {
  const { caches, client, log, signal } = o;
  const drained = recentlyDrained(caches.plans.list(), o.now, o.cooldownMs);
  const due = nodesToUntaint(caches.nodes.list(), (node) => claimOf(caches, node), drained);
  for (const { metadata } of due) {
    try {
      await updateNode({ client, signal }, metadata.name, (node) => {
        if (!hasEvictedTaint(node)) return undefined;
        const left = taintsWithout(node, EVICTED_TAINT);
        return { metadata: {}, spec: { taints: left.length > 0 ? left : null } };
      });
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: error, node: metadata.name }, 'the taint of the evictor was not taken off');
    }
  }
};
