import type { Registry } from 'prom-client';
import { counter } from '../../kube/component/metrics.ts';
import { allowedDisruptionsByPool } from '../../planner/cluster/disruptionbudget.ts';
import type { Caches } from '../caches.ts';
import { expiryOf } from '../consolidation/path.ts';
import { scopeHold } from '../policies/scopehold.ts';
import { EXPIRY, expiringNodes } from './expiry.ts';
import { type Machine, machinesOf, poolNameOf } from './machines.ts';
import { claimsUnderWay } from './plans.ts';
import type { Refused } from './refusals.ts';
import { repeatRounds } from './repeat.ts';
import { NOTHING, type RoundOptions, type RoundOutcome, replaceNodes, tidyPlans } from './round.ts';
import type { ExpirySettings } from './settings.ts';

/** Finished plans tell which nodes were tried already for so long. */
const KEPT_MS = 24 * 3_600_000;

/**
 * Number of nodes that the disruption budgets of a NodePool let go now, less those that plans will take and have not
 * begun to drain.
 */
const allowedIn = (caches: Caches, machines: readonly Machine[], now: number): ((pool: string) => number) => {
  const allowed = allowedDisruptionsByPool(machines, now);
  const underWay = new Set(claimsUnderWay(caches.plans.list(), EXPIRY));
  const coming = machines.filter(
    ({ node, claim }) => underWay.has(claim.metadata.name) && node.spec?.unschedulable !== true,
  );
  return (pool) => (allowed.get(pool) ?? 0) - coming.filter(({ claim }) => poolNameOf(claim) === pool).length;
};

export interface ExpiringOptions extends RoundOptions {
  readonly settings: () => ExpirySettings;
  readonly registry: Registry;
}

/** One look: plans for nodes that expire soon. */
export const replaceExpiringNow = async (
  o: RoundOptions,
  settings: ExpirySettings,
  refusals: Refused = new Map(),
  settingsNow: () => ExpirySettings = () => settings,
): Promise<RoundOutcome> => {
  const { caches } = o;
  const now = o.clock.now();
  await tidyPlans(o, EXPIRY, { isOn: settings.enabled, keepMs: KEPT_MS });
  if (!settings.enabled) return NOTHING;
  const pools = new Map(caches.nodePools.list().map((pool) => [pool.metadata.name, pool]));
  const nodes = machinesOf(caches, pools);
  const choice = expiringNodes(settings, {
    plans: caches.plans.list(),
    refusals,
    nodes: nodes.filter(({ node }) => scopeHold(o.policies(), node) === undefined),
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

/** Replaces nodes before they expire, until the signal aborts. */
export const replaceExpiring = (o: ExpiringOptions): Promise<void> => {
  const help = 'Nodes that were to be replaced before they expire, by whether a plan was made';
  const total = counter(o.registry, 'kentroller_expiry_replacements_total', help, ['result']);
  return repeatRounds(o, {
    maker: EXPIRY,
    total,
    settings: () => JSON.stringify(o.settings()),
    blocked: 'It expires soon and could not be replaced',
    look: (refusals) => replaceExpiringNow(o, o.settings(), refusals, o.settings),
  });
};
