import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { NODES } from '../../api/resources.ts';
import { counter } from '../../kube/component/metrics.ts';
import { allowedDisruptionsByPool } from '../../planner/cluster/disruptionbudget.ts';
import { type Caches, nodeOf } from '../caches.ts';
import { expiryOf } from '../consolidation/path.ts';
import { backoffAfter } from '../continuous/decide.ts';
import { sentenceOf } from '../rebalanceplan/drain/blockers.ts';
import { EXPIRY, expiringNodes } from './expiry.ts';
import { claimsUnderWay } from './plans.ts';
import { type RoundOptions, type RoundOutcome, replaceNodes, tidyPlans } from './round.ts';
import type { ExpirySettings } from './settings.ts';

/** Time between looks for nodes that expire soon. */
const LOOK_MS = 5_000;
/** Time until nodes that could not be replaced are tried again. */
const REST_MS = 60_000;
const FAILURE_BACKOFF_MS = 5 * 60_000;
/** Longest wait for the cache to show what was stored; a plan may have been deleted. */
const SEEN_MS = 30_000;
/** How often a node that could not be replaced is told so again. */
const AGAIN_MS = 3_600_000;
/** Finished plans tell which nodes were tried already for so long. */
const KEPT_MS = 24 * 3_600_000;

interface Machine {
  readonly node: Node;
  readonly claim: NodeClaim;
}

const machinesOf = (caches: Caches): readonly Machine[] =>
  caches.nodeClaims.list().flatMap((claim) => {
    const node = nodeOf(caches, claim);
    return node ? [{ node, claim }] : [];
  });

/**
 * Number of nodes that the disruption budgets of a NodePool let go now, less those that plans will take and have not
 * begun to drain.
 */
const allowedIn = (caches: Caches, machines: readonly Machine[], now: number): ((pool: string) => number) => {
  const pools = new Map(caches.nodePools.list().map((pool) => [pool.metadata.name, pool]));
  const poolOf = ({ metadata }: NodeClaim): string => valueAt(metadata.labels, KARPENTER_NODEPOOL) ?? '';
  const allowed = allowedDisruptionsByPool(
    machines.map(({ node, claim }) => ({ node, claim, pool: pools.get(poolOf(claim)) })),
    now,
  );
  const underWay = new Set(claimsUnderWay(caches.plans.list(), EXPIRY));
  const coming = machines.filter(
    ({ node, claim }) => underWay.has(claim.metadata.name) && node.spec?.unschedulable !== true,
  );
  return (pool) => (allowed.get(pool) ?? 0) - coming.filter(({ claim }) => poolOf(claim) === pool).length;
};

export interface ExpiringOptions extends RoundOptions {
  readonly settings: () => ExpirySettings;
  readonly registry: Registry;
}

/** One look: plans for nodes that expire soon. */
export const replaceExpiringNow = async (
  o: RoundOptions,
  settings: ExpirySettings,
  settingsNow: () => ExpirySettings = () => settings,
): Promise<RoundOutcome> => {
  const { caches } = o;
  const now = o.clock.now();
  await tidyPlans(o, EXPIRY, { isOn: settings.enabled, keepMs: KEPT_MS });
  if (!settings.enabled) return { plans: [], left: [] };
  const nodes = machinesOf(caches);
  const choice = expiringNodes(settings, {
    plans: caches.plans.list(),
    nodes,
    allowed: allowedIn(caches, nodes, now),
    now,
  });
  const expiries = new Map(nodes.map(({ node, claim }) => [node.metadata.name, expiryOf(claim)]));
  const outcome = await replaceNodes(o, {
    maker: EXPIRY,
    ...choice,
    why: (name) => `It expires at ${new Date(expiries.get(name) ?? 0).toISOString()}`,
    isCurrent: () => JSON.stringify(settingsNow()) === JSON.stringify(settings),
  });
  return { ...outcome, left: [...outcome.left, ...choice.late] };
};

/** Tells nodes that could not be replaced why, once an hour. */
const teller = (o: RoundOptions): ((outcome: RoundOutcome) => void) => {
  const toldAt = new Map<string, number>();
  return ({ left }) => {
    const now = o.clock.now();
    for (const [name, at] of toldAt) if (at + AGAIN_MS <= now) toldAt.delete(name);
    for (const { name, reasons } of left) {
      const node = o.caches.nodes.get(name);
      if (!node || toldAt.has(name)) continue;
      toldAt.set(name, now);
      const message = `It expires soon and could not be replaced: ${sentenceOf(reasons)}. It is tried again until then.`;
      o.recorder.event(NODES, node, 'Warning', 'ReplacementBlocked', message);
      o.log.warn({ node: name, reasons: reasons.slice(0, 10) }, 'node that expires can not be replaced');
    }
  };
};

/** Replaces nodes before they expire, until the signal aborts. */
export const replaceExpiring = async (o: ExpiringOptions): Promise<void> => {
  const log = o.log.child({ logger: EXPIRY });
  const help = 'Nodes that were to be replaced before they expire, by whether a plan was made';
  const total = counter(o.registry, 'kentroller_expiry_replacements_total', help, ['result']);
  for (const result of ['planned', 'blocked']) total.inc({ result }, 0);
  const tell = teller({ ...o, log });
  let dueAt = 0;
  let known = '';
  let failures = 0;
  let stored: readonly string[] = [];
  let seenBy = 0;
  while (!o.signal.aborted) {
    const settings = o.settings();
    const key = JSON.stringify(settings);
    // The next look has to see the plans of the last one.
    const isSeen = o.clock.now() >= seenBy || stored.every((name) => o.caches.plans.get(name));
    if (isSeen && (key !== known || o.clock.now() >= dueAt)) {
      known = key;
      try {
        const outcome = await replaceExpiringNow({ ...o, log }, settings, o.settings);
        failures = 0;
        stored = outcome.plans;
        seenBy = o.clock.now() + SEEN_MS;
        total.inc({ result: 'planned' }, outcome.plans.length);
        total.inc({ result: 'blocked' }, outcome.left.length);
        tell(outcome);
        if (outcome.plans.length > 0) log.info({ plans: outcome.plans }, 'nodes that expire are replaced');
        dueAt = outcome.left.length > 0 ? o.clock.now() + REST_MS : 0;
      } catch (error) {
        if (o.signal.aborted) return;
        failures += 1;
        const waitMs = backoffAfter(failures, FAILURE_BACKOFF_MS, error, LOOK_MS);
        dueAt = o.clock.now() + waitMs;
        log.warn({ err: error, retryMs: waitMs }, 'replacement before expiry failed');
      }
    }
    await sleep(LOOK_MS, undefined, { signal: o.signal }).catch(() => {});
  }
};
