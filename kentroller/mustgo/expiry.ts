import { createHash } from 'node:crypto';
import type { MustGo } from '../../api/kinds/mustgo.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { noticeTime } from '../consolidation/expirywarning.ts';
import { expiryOf } from '../consolidation/path.ts';
import { claimsInUse, claimsUnderWay, failuresOf } from './plans.ts';
import type { Refused } from './refusals.ts';
import type { NodeLeft } from './round.ts';
import type { ExpirySettings } from './settings.ts';

/** Which nodes are replaced before they expire, and when. See docs/designs/0050-replaced-before-expiry.md. */

/** Maker of these plans: the value of their label made-by, and the beginning of their names. */
export const EXPIRY = 'expiry-replacement';

/** Wait after a try that left its node in place; it doubles with each, up to a quarter of the time left. */
const RETRY_MS = 5 * 60_000;
const LEAST_RETRY_MS = 60_000;

/** A part of 1 that differs from claim to claim, and is the same in every process. */
const spreadOf = ({ metadata }: NodeClaim): number =>
  createHash('sha256')
    .update(metadata.uid ?? metadata.name)
    .digest()
    .readUInt32BE(0) /
  2 ** 32;

/** The time before its expiry in which a node is replaced, in milliseconds since 1970; undefined for one that never expires. */
export interface Window {
  /** From here on no plan sends pods to the node. */
  readonly opensAt: number;
  /** From here on it is replaced: nodes that were bought together are spread over the first half. */
  readonly startsAt: number;
  readonly endsAt: number;
}

export const windowOf = (claim: NodeClaim, leadMs: number): Window | undefined => {
  const endsAt = expiryOf(claim);
  const opensAt = noticeTime(claim, leadMs);
  if (endsAt === undefined || opensAt === undefined) return undefined;
  return { opensAt, startsAt: opensAt + ((endsAt - opensAt) / 2) * spreadOf(claim), endsAt };
};

/** When a node is tried again after tries that left it in place, in milliseconds since 1970. */
const retryTime = (tries: readonly number[], endsAt: number): number => {
  if (tries.length === 0) return 0;
  const last = Math.max(...tries);
  const wait = Math.min(RETRY_MS * 2 ** (tries.length - 1), (endsAt - last) / 4);
  return last + Math.max(LEAST_RETRY_MS, wait);
};

export interface ExpiryState {
  readonly plans: readonly RebalancePlan[];
  readonly refusals: Refused;
  readonly nodes: readonly { readonly node: Node; readonly claim: NodeClaim }[];
  /** Number of nodes that the disruption budgets of a NodePool let go now, by its name. */
  readonly allowed: (pool: string) => number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What one round replaces. */
export interface Choice {
  /** Nodes that must go, now or soon, by name: no pod is sent to them. */
  readonly mustGo: Readonly<Record<string, MustGo>>;
  /** Those that are replaced now, in this order. */
  readonly chosen: readonly string[];
  /** Those that are due and wait, while their time runs out. */
  readonly late: readonly NodeLeft[];
}

/** The part of its window in which a node that still waits is told so. */
const LATE_PART = 0.25;

/**
 * Which nodes are replaced now: those that expire first, no more at once than the settings and budgets allow. Each refusal counts
 * as twice the time left: nodes that can't be replaced step behind those that may be.
 */
export const expiringNodes = (
  settings: Pick<ExpirySettings, 'leadMs' | 'maxNodes' | 'maxPricePercent'>,
  { plans, refusals, nodes, allowed, now }: ExpiryState,
): Choice => {
  const inUse = claimsInUse(plans);
  const failures = failuresOf(plans, EXPIRY);
  const mustGo: [string, MustGo][] = [];
  const due: { name: string; pool: string; window: Window; rank: number }[] = [];
  for (const { node, claim } of nodes) {
    const window = windowOf(claim, settings.leadMs);
    if (!window || claim.metadata.deletionTimestamp || now < window.opensAt) continue;
    const { name } = node.metadata;
    mustGo.push([name, { reason: 'Expiry', maxPricePercent: settings.maxPricePercent }]);
    const claimName = claim.metadata.name;
    const refused = refusals.get(claimName) ?? [];
    const tries = [...(failures.get(claimName) ?? []), ...refused];
    const from = Math.max(window.startsAt, retryTime(tries, window.endsAt));
    if (now < from || now >= window.endsAt || inUse.has(claimName)) continue;
    const rank = (window.endsAt - now) * 2 ** refused.length;
    due.push({ name, pool: valueAt(claim.metadata.labels, KARPENTER_NODEPOOL) ?? '', window, rank });
  }
  let room = settings.maxNodes - claimsUnderWay(plans, EXPIRY).length;
  const left = new Map<string, number>();
  const chosen: string[] = [];
  const late: NodeLeft[] = [];
  for (const { name, pool, window } of due.toSorted(
    (a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1),
  )) {
    const ofPool = left.get(pool) ?? allowed(pool);
    if (room > 0 && ofPool > 0) {
      chosen.push(name);
      room -= 1;
      left.set(pool, ofPool - 1);
    } else if (window.endsAt - now < (window.endsAt - window.opensAt) * LATE_PART) {
      const reason =
        ofPool > 0
          ? `${settings.maxNodes} nodes are being replaced already, as many as may be at once`
          : `the disruption budgets of NodePool ${pool} let no node go now`;
      late.push({ name, reasons: [reason] });
    }
  }
  return { mustGo: Object.fromEntries(mustGo), chosen, late };
};
