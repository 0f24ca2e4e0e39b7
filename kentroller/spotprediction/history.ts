import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import type { ObjectMeta } from '../../api/objects.ts';
import { MADE_BY } from '../continuous/decide.ts';
import { isFinished } from '../rebalanceplanclaim/claimstatus.ts';
import { claimOf } from '../rebalanceplanclaim/planobject.ts';

/** What predictions replaced lately, derived from their claims and plans, so that a restart forgets nothing. */

export const SPOT_PREDICTION = 'spot-prediction';
/** Annotation of a claim: how many replacements in a row its nodes come from. */
export const REPLACEMENTS = 'autoscaling.cast.ai/spot-replacements';

const HOUR_MS = 3_600_000;
/** The longest time for which a node that replaced others stays, however many those were. */
const LONGEST_STAY_MS = 24 * HOUR_MS;
const MOST_CLAIMS = 200;

export const isOurs = ({ metadata }: { readonly metadata: ObjectMeta }): boolean =>
  metadata.labels?.[MADE_BY] === SPOT_PREDICTION;

const createdAt = ({ metadata }: { readonly metadata: ObjectMeta }): number =>
  Date.parse(metadata.creationTimestamp ?? '') || 0;
const endOf = (claim: RebalancePlanClaim): number =>
  Date.parse(claim.status?.completionTime ?? '') || createdAt(claim);
const replacementsOf = ({ metadata }: RebalancePlanClaim): number => {
  const count = Number(metadata.annotations?.[REPLACEMENTS] ?? 0);
  return Number.isInteger(count) && count >= 0 ? Math.min(count, 30) : 0;
};

export interface History {
  /** Nodes in unfinished claims. */
  readonly inWork: ReadonlySet<string>;
  /** Nodes that claims of the last hour replaced or tried to. */
  readonly lastHour: number;
  /** Until when a node is left alone, in milliseconds since 1970; 0 where it is not. */
  readonly restsUntil: (node: { readonly metadata: ObjectMeta }, claimName: string) => number;
  /** Replacements in a row that a node comes from. */
  readonly replacementsBefore: (claimName: string) => number;
}

/** The NodeClaims that plans of ours bought, and how many replacements they come from. */
const boughtBy = (
  claims: readonly RebalancePlanClaim[],
  plans: readonly RebalancePlan[],
): ReadonlyMap<string, { readonly replacements: number; readonly at: number }> => {
  const byUid = new Map(claims.map((claim) => [claim.metadata.uid, claim]));
  return new Map(
    plans.flatMap((plan) => {
      const claim = byUid.get(claimOf(plan)?.uid);
      if (!claim) return [];
      const bought = { replacements: replacementsOf(claim) + 1, at: createdAt(claim) };
      return Object.values(plan.status?.nodesCreation ?? {}).flatMap(({ attempts }) =>
        attempts.map(({ nodeClaimName }) => [nodeClaimName, bought] as const),
      );
    }),
  );
};

export const historyOf = (o: {
  readonly claims: readonly RebalancePlanClaim[];
  readonly plans: readonly RebalancePlan[];
  readonly cooldownMs: number;
  readonly now: number;
}): History => {
  const ours = o.claims.filter(isOurs);
  const unfinished = ours.filter((claim) => !isFinished(claim));
  const ends = new Map<string, RebalancePlanClaim[]>();
  for (const claim of ours.filter(isFinished)) {
    for (const name of claim.spec.scope?.nodeNames ?? []) ends.set(name, [...(ends.get(name) ?? []), claim]);
  }
  const bought = boughtBy(ours, o.plans);
  return {
    inWork: new Set(unfinished.flatMap(({ spec }) => spec.scope?.nodeNames ?? [])),
    lastHour: ours
      .filter((claim) => createdAt(claim) > o.now - HOUR_MS && claim.status?.state !== 'Skipped')
      .reduce((sum, { spec }) => sum + (spec.scope?.nodeNames?.length ?? 0), 0),
    restsUntil: (node, claimName) => {
      // A node of this name may be another one by now.
      const tried = (ends.get(node.metadata.name) ?? []).filter(
        (claim) => createdAt(claim) >= createdAt(node),
      );
      const until = tried.map((claim) => endOf(claim) + o.cooldownMs);
      const came = bought.get(claimName);
      const stay = came && Math.min(o.cooldownMs * 2 ** came.replacements, LONGEST_STAY_MS);
      const all = [...until, ...(came && stay !== undefined ? [came.at + stay] : [])];
      const latest = Math.max(0, ...all);
      return latest > o.now ? latest : 0;
    },
    replacementsBefore: (claimName) => bought.get(claimName)?.replacements ?? 0,
  };
};

/** Claims of ours to delete: finished ones that nothing is derived from any more, or that are too many. */
export const claimsToPrune = (
  claims: readonly RebalancePlanClaim[],
  cooldownMs: number,
  now: number,
): readonly RebalancePlanClaim[] => {
  const keptMs = Math.max(LONGEST_STAY_MS, cooldownMs);
  return claims
    .filter((claim) => isOurs(claim) && isFinished(claim))
    .toSorted((a, b) => endOf(b) - endOf(a))
    .filter((claim, at) => at >= MOST_CLAIMS || endOf(claim) + keptMs < now);
};

/** Claims of ours whose plans have not begun, which go when nothing may be replaced any more. */
export const claimsToWithdraw = (claims: readonly RebalancePlanClaim[]): readonly RebalancePlanClaim[] =>
  claims.filter((claim) => isOurs(claim) && !isFinished(claim) && claim.status?.state !== 'Executing');
