import { setTimeout as delay } from 'node:timers/promises';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE, NODE_CLAIM, PLACEHOLDER } from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import { NODE_CLAIMS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { claimOf } from '../support/outcome.ts';

/** Looks at the cluster again and again while the user is at work. */
export interface Watching {
  /** The last state of every plan, by uid; plans that are gone stay. */
  readonly plans: ReadonlyMap<string, RebalancePlan>;
  readonly violations: readonly string[];
  /** Placeholders may be late by as long as the pinner was away. */
  disturbed(): void;
  /** Lines on plans that are Done and cost more than before, at these prices. */
  dearer(prices: ReadonlyMap<string, number>): readonly string[];
  /** Waits for the last look, and throws what it threw. */
  stop(): Promise<void>;
}

const EVERY_MS = 1_000;
const OUTLIVES_MS = 60_000;

export const watchAll = (client: KubeClient): Watching => {
  const stopping = new AbortController();
  const plans = new Map<string, RebalancePlan>();
  const types = new Map<string, string>();
  const alone = new Map<string, number>();
  const violations: string[] = [];
  let disturbedAt = 0;

  const look = async (): Promise<void> => {
    // Nodes first: a claim that is there afterwards was not gone before.
    const nodes = (await client.list(NODES)).items;
    const claims = (await client.list(NODE_CLAIMS)).items;
    const now = Date.now();
    for (const { metadata } of claims) {
      const type = metadata.labels?.[INSTANCE_TYPE];
      if (type) types.set(metadata.name, type);
    }
    for (const plan of (await client.list(REBALANCE_PLANS)).items) plans.set(plan.metadata.uid ?? '', plan);
    const names = new Set(claims.map(({ metadata }) => metadata.name));
    const standing = new Set<string>();
    for (const node of nodes) {
      const { name, uid = '', labels, annotations } = node.metadata;
      const claim = annotations?.[NODE_CLAIM] ?? '';
      if (labels?.[PLACEHOLDER] === undefined || hasJoined(node) || names.has(claim)) continue;
      standing.add(uid);
      const since = alone.get(uid);
      if (since === undefined) alone.set(uid, now);
      else if (now - Math.max(since, disturbedAt) > OUTLIVES_MS) {
        violations.push(`2: placeholder ${name} outlives its NodeClaim ${claim} by more than 60 s`);
        alone.set(uid, Number.POSITIVE_INFINITY);
      }
    }
    for (const uid of alone.keys()) if (!standing.has(uid)) alone.delete(uid);
  };
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      await look();
      await delay(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();
  watching.catch(() => undefined);

  return {
    plans,
    violations,
    disturbed: () => {
      disturbedAt = Date.now();
    },
    dearer: (prices) => {
      const costOf = (names: readonly string[]): number =>
        names.reduce((sum, name) => sum + (prices.get(types.get(name) ?? '') ?? Number.NaN), 0);
      return [...plans.values()].flatMap((plan) => {
        const removed = (plan.spec.nodeClaimsToDelete ?? []).map(({ nodeClaimName }) => nodeClaimName);
        const added = (plan.spec.nodeClaimsToAdd ?? []).map(({ metadata }) => claimOf(plan, metadata.name));
        const before = costOf(removed);
        const after = costOf(added);
        return plan.status?.state === 'Done' && removed.length > 0 && after > before
          ? [`8: plan ${plan.metadata.name} is Done, and ${after} an hour came for ${before}`]
          : [];
      });
    },
    stop: () => {
      stopping.abort();
      return watching;
    },
  };
};
