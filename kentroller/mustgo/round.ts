import type { MustGo } from '../../api/kinds/mustgo.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import type { Logger } from '../../kube/component/log.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import { type Catalogue, sellingOnly } from '../../planner/model/catalogue.ts';
import { nodeOf } from '../caches.ts';
import { MADE_BY } from '../continuous/decide.ts';
import { PLANNING_TIMEOUT_MS, type PlanSearchOptions, searchSettings } from '../plansearch.ts';
import { scopeHold } from '../policies/scopehold.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import { drainReasonOf } from '../rebalanceplanclaim/planobject.ts';
import { planInParts } from '../rebalanceplanclaim/planparts.ts';
import { storePlans } from '../rebalanceplanclaim/storeplans.ts';
import { gatherForPlans } from '../snapshot.ts';
import { plansToPrune, plansToWithdraw } from './plans.ts';

export interface RoundOptions extends PlanSearchOptions {
  /** Why nothing is bought by the catalogue's prices, as a sentence; undefined when they are good enough. */
  readonly priceGap?: () => string | undefined;
  /** Most cores of all worker nodes; undefined for any number. */
  readonly maxCores?: () => number | undefined;
  readonly policies: () => PoliciesNow;
  readonly log: Logger;
}

/** What a round replaces, and for whom. */
export interface Round {
  /** Value of the plans' label made-by, and beginning of their names. */
  readonly maker: string;
  /** Nodes that must go, now or soon, by name: no pod is sent to them. */
  readonly mustGo: Readonly<Record<string, MustGo>>;
  /** Those that are replaced now, each by a plan of its own: one that is stuck holds no other back. */
  readonly chosen: readonly string[];
  /** Why a node is replaced, as the beginning of a sentence about it. */
  readonly why: (node: string) => string;
  /** Nodes that no pod is sent to, beside those that must go. */
  readonly closedNodes?: readonly string[];
  /** What may be bought of the catalogue. */
  readonly buying?: (catalogue: Catalogue) => Catalogue;
  /** Whether what was decided still holds, asked before anything is stored. */
  readonly isCurrent: () => boolean;
}

/** A node that is to be replaced and got no plan, with the reasons. */
export interface NodeLeft {
  readonly name: string;
  readonly reasons: readonly string[];
}

export interface RoundOutcome {
  readonly plans: readonly string[];
  readonly left: readonly NodeLeft[];
  /** NodeClaims of those left for which the planner was asked in vain. */
  readonly refused: readonly string[];
}

export const NOTHING: RoundOutcome = { plans: [], left: [], refused: [] };

/** The names of a round's plans; those of another round differ by their second. */
const planNamesOf =
  (maker: string, now: number) =>
  (part: number): string =>
    `${maker}-${Math.round(now / 1000)}${part > 1 ? `-p${part}` : ''}`;

/** Deletes plans of a maker that are over or never ran and, while it is off, those that have not started. */
export const tidyPlans = async (
  { caches, client, clock, signal }: Pick<RoundOptions, 'caches' | 'client' | 'clock' | 'signal'>,
  maker: string,
  o: { readonly isOn: boolean; readonly keepMs: number },
): Promise<void> => {
  const plans = caches.plans.list();
  const old = [
    ...plansToPrune(plans, maker, { now: clock.now(), keepMs: o.keepMs }),
    ...(o.isOn ? [] : plansToWithdraw(plans, maker)),
  ];
  for (const { metadata } of old) {
    const { name, uid, resourceVersion } = metadata;
    // A plan that starts meanwhile has another version, and goes on.
    const as = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
    await client.delete(REBALANCE_PLANS, { name }, { ...as, signal }).catch(ignoreNotFoundOrConflict);
  }
};

/** Plans the replacement of nodes and stores a plan for each that can be had. */
export const replaceNodes = async (o: RoundOptions, round: Round): Promise<RoundOutcome> => {
  const { caches, client, recorder, signal } = o;
  if (round.chosen.length === 0) return NOTHING;
  const now = o.clock.now();
  const nameOf = planNamesOf(round.maker, now);
  const catalogue = await o.catalogue();
  // Asked after the catalogue was read: only then it is known where its prices come from.
  const gap = o.priceGap?.();
  const forSale =
    gap === undefined ? (round.buying?.(catalogue) ?? catalogue) : sellingOnly(catalogue, () => false);
  const maxCores = o.maxCores?.();
  const answer = await planInParts(
    {
      snapshot: await gatherForPlans(o),
      catalogue: forSale,
      now,
      ...searchSettings(o),
      planName: nameOf(1),
      ...(maxCores !== undefined && { maxCores }),
      scope: { nodeNames: [...round.chosen] },
      mustGo: round.mustGo,
      ...(round.closedNodes && { closedNodes: round.closedNodes }),
    },
    {
      planning: o.planning,
      planNameOf: nameOf,
      timeoutMs: PLANNING_TIMEOUT_MS,
      now: o.clock.now,
      signal,
      partBytes: 1,
    },
  );
  const claims = new Map(
    round.chosen.flatMap((name) => {
      const claim = caches.nodeClaims.list().find((each) => nodeOf(caches, each)?.metadata.name === name);
      return claim ? [[claim.metadata.name, name] as const] : [];
    }),
  );
  const gone = (spec: RebalancePlan['spec']): readonly string[] =>
    (spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName }) => claims.get(nodeClaimName) ?? []);
  const replaced = new Set(answer.plans.flatMap(({ spec }) => gone(spec)));
  const left = round.chosen
    .filter((name) => !replaced.has(name))
    .map((name) => {
      const skipped = answer.skippedNodes.find((each) => each.name === name)?.reasons;
      const reasons = skipped ?? [answer.reason ?? 'no place for its pods was found'];
      return {
        name,
        reasons: gap === undefined ? reasons : [`${gap}: nothing is bought by them unasked`, ...reasons],
      };
    });
  const refused = [...claims].flatMap(([claim, name]) => (replaced.has(name) ? [] : [claim]));
  const isHeld = caches.nodes
    .list()
    .some((node) => round.chosen.includes(node.metadata.name) && scopeHold(o.policies(), node) !== undefined);
  if (isHeld || !round.isCurrent() || answer.plans.length === 0) return { plans: [], left, refused };
  const [reason] = Object.values(round.mustGo);
  const plans = answer.plans.map(({ spec, savings }, at) => ({
    plan: {
      metadata: { name: nameOf(at + 1), labels: { [MADE_BY]: round.maker } },
      spec: { ...spec, execute: true, ...drainReasonOf(reason) },
    },
    savings,
  }));
  // Each by itself: they are decisions of their own, and one that is stored runs whatever becomes of the others.
  for (const each of plans) {
    const [stored] = await storePlans(client, [each], signal);
    for (const name of gone(each.plan.spec)) {
      const message = `${round.why(name)}: RebalancePlan ${each.plan.metadata.name} replaces it`;
      const node = caches.nodes.get(name);
      if (node) recorder.event(NODES, node, 'Normal', 'ReplacementPlanned', message);
      if (stored)
        recorder.event(REBALANCE_PLANS, stored, 'Normal', 'ReplacementPlanned', `Node ${name}: ${message}`);
    }
  }
  return { plans: plans.map(({ plan }) => plan.metadata.name), left, refused };
};
