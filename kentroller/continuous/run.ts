import { setTimeout as sleep } from 'node:timers/promises';
import { REBALANCE_PLANS } from '../../api/resources.ts';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import type { Audit } from '../audit/trail.ts';
import { cooldownOf } from '../evictor/moves.ts';
import { PLANNING_TIMEOUT_MS, type PlanSearchOptions, searchSettings } from '../plansearch.ts';
import { scopedNames } from '../policies/scopehold.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import { aggressiveModeOf } from '../rebalanceplanclaim/planobject.ts';
import { planInParts, savingsOfAll } from '../rebalanceplanclaim/planparts.ts';
import { storePlans } from '../rebalanceplanclaim/storeplans.ts';
import { gatherForPlans } from '../snapshot.ts';
import {
  backoffAfter,
  belowThreshold,
  CONTINUOUS,
  catalogueFor,
  emptyNodes,
  executionPolicyOf,
  MADE_BY,
  plansToPrune,
  settledNodes,
  skipReason,
} from './decide.ts';
import type { ContinuousSettings } from './settings.ts';

const KEPT_PLANS = 10;
/** Timers are 31 bits wide, and settings may change during a long sleep. */
const MAX_SLEEP_MS = 24 * 3_600_000;

export interface ContinuousOptions extends PlanSearchOptions {
  /** Why nothing is bought by the catalogue's prices, as a sentence; undefined when they are good enough. */
  readonly priceGap?: () => string | undefined;
  readonly settings: () => ContinuousSettings;
  readonly pollingPeriodMs: () => number;
  readonly policies: () => PoliciesNow;
  /** Most cores of all worker nodes; undefined for any number. */
  readonly maxCores?: () => number | undefined;
  readonly audit: Audit;
  readonly log: Logger;
}

const settledNames = (
  { caches }: Pick<ContinuousOptions, 'caches'>,
  now: number,
  cooldownMs: number,
): readonly string[] =>
  settledNodes(
    caches.nodes.list(),
    (node) => caches.pods.by('node', node),
    cooldownOf(caches.plans.list(), cooldownMs),
    now,
  );

type Names = readonly string[];

/** The names that are in both lists; a list that is left out holds all. */
const inBoth = (some: Names | undefined, others: Names | undefined): Names | undefined => {
  if (!some || !others) return some ?? others;
  const wanted = new Set(others);
  return some.filter((name) => wanted.has(name));
};

/** Runs one cycle. Returns what it did, or the reason why it did nothing, in a few words. */
export const runCycle = async (o: ContinuousOptions): Promise<string> => {
  const { caches, client, signal } = o;
  const settings = o.settings();
  const now = o.clock.now();
  const cooldownMs = settings.podMoveCooldownMs;
  // 1. Decide whether to search, and delete old plans.
  const reason = skipReason(settings, { plans: caches.plans.list(), nodes: caches.nodes.list(), now });
  if (reason) return reason;
  for (const plan of plansToPrune(caches.plans.list(), KEPT_PLANS, { now, cooldownMs })) {
    const { name, uid } = plan.metadata;
    await client.delete(REBALANCE_PLANS, { name }, { ...(uid && { uid }), signal }).catch(ignoreNotFound);
  }
  // 2. Restrict the candidates where the mode says so.
  const empty =
    settings.mode === 'delete-empty'
      ? emptyNodes(caches.nodes.list(), (node) => caches.pods.by('node', node))
      : undefined;
  if (empty?.length === 0) return 'no node is empty';
  const policies = o.policies();
  if (!policies.known) return policies.message;
  const scoped = scopedNames(policies, caches.nodes.list());
  if (scoped?.length === 0) return 'scoped mode is on, and no node is of it';
  const free = inBoth(empty, scoped);
  if (free?.length === 0) return 'no node of scoped mode is empty';
  const settled = cooldownMs > 0 ? settledNames(o, now, cooldownMs) : undefined;
  const names = inBoth(free, settled);
  if (names?.length === 0) return 'every node has pods that were moved a short time ago';
  const catalogue = await o.catalogue();
  const gap = settings.mode === 'full' ? o.priceGap?.() : undefined;
  if (gap !== undefined) return `${gap}: nothing is bought by them unasked`;
  // 3. Search.
  const maxCores = o.maxCores?.();
  const planNameOf = (part: number): string =>
    `${CONTINUOUS}-${Math.round(now / 1000)}${part > 1 ? `-p${part}` : ''}`;
  const answer = await planInParts(
    {
      snapshot: await gatherForPlans(o),
      catalogue: catalogueFor(settings, catalogue),
      now,
      ...searchSettings(o),
      planName: planNameOf(1),
      ...(maxCores !== undefined && { maxCores }),
      ...(names && { scope: { nodeNames: [...names] } }),
      constraints: {
        maxNodes: settings.maxNodes,
        minAgeSeconds: Math.ceil(settings.minNodeAgeMs / 1000),
      },
      aggressive: settings.aggressive,
      moveWeight: settings.moveWeight,
      leastSavings: { percent: settings.thresholdPercent, monthly: settings.thresholdMonthly },
    },
    { planning: o.planning, planNameOf, timeoutMs: PLANNING_TIMEOUT_MS, now: o.clock.now, signal },
  );
  if (answer.plans.length === 0) return answer.reason ?? 'no cheaper set of nodes was found';
  if (scoped === undefined && scopedNames(o.policies(), caches.nodes.list()))
    return 'the policies have changed meanwhile';
  // 4. Compare the savings with the thresholds.
  const all = answer.plans.map(({ savings }) => savings);
  const saved = savingsOfAll(all);
  const shortfall = belowThreshold(settings, saved);
  if (shortfall) return `the best plan is not stored: ${shortfall}`;
  // 5. Store the plans.
  const plans = answer.plans.map(({ spec, savings }, at) => ({
    plan: {
      metadata: { name: planNameOf(at + 1), labels: { [MADE_BY]: CONTINUOUS } },
      spec: {
        ...spec,
        execute: true,
        ...aggressiveModeOf(settings.aggressive),
        ...executionPolicyOf(settings, all, savings),
      },
    },
    savings,
  }));
  for (const plan of await storePlans(client, plans, signal)) {
    const percent = plan.status?.savings?.projectedSavingsPercent;
    const message = `Plan ${plan.metadata.name} saves ${percent} % of the cost of its nodes`;
    o.recorder.event(REBALANCE_PLANS, plan, 'Normal', 'ContinuousRebalancing', message);
  }
  const stored = plans.map(({ plan }) => plan.metadata.name).join(', ');
  return `created ${plans.length === 1 ? 'plan' : 'plans'} ${stored}, which ${plans.length === 1 ? 'saves' : 'save'} ${saved.projectedSavingsPercent} %`;
};

/** Runs cycles until the signal aborts; a failed cycle is logged and backed off. */
export const rebalanceContinuously = async (o: ContinuousOptions): Promise<void> => {
  const log = o.log.child({ logger: CONTINUOUS });
  const object = { kind: 'RebalancePlan', name: CONTINUOUS };
  let last = '';
  let failures = 0;
  while (!o.signal.aborted) {
    let waitMs = o.pollingPeriodMs();
    try {
      const outcome = await runCycle({ ...o, log });
      failures = 0;
      // Repeated every few seconds, the same outcome would hide everything else.
      if (outcome !== last) {
        log.info({ outcome }, 'continuous-rebalancing cycle');
        o.audit.note({ kind: 'decision', object, reason: 'ContinuousCycle', message: outcome });
      }
      last = outcome;
    } catch (error) {
      if (o.signal.aborted) return;
      failures += 1;
      waitMs = backoffAfter(failures, o.settings().failureBackoffMs, error, waitMs);
      last = messageOf(error);
      log.warn({ err: error, retryMs: waitMs }, 'continuous-rebalancing cycle failed');
      o.audit.note({ kind: 'decision', object, reason: 'ContinuousCycleFailed', message: last });
    }
    await sleep(Math.min(waitMs, MAX_SLEEP_MS), undefined, { signal: o.signal }).catch(() => {});
  }
};
