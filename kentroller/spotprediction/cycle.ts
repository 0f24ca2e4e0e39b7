import { hasOurPrediction } from '../../api/identity/predictionlabel.ts';
import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import { INTERRUPTION_MARK, KARPENTER_CAPACITY_TYPE, PREDICTED_INTERRUPTION } from '../../api/labels.ts';
import { NODES, REBALANCE_PLAN_CLAIMS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { isAlreadyExists } from '../../kube/errors.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { type Caches, claimOf } from '../caches.ts';
import { scopeHold } from '../policies/scopehold.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import { unavailableName } from '../rebalanceplan/create/unavailable.ts';
import { countUnready, haltReason } from '../rebalanceplan/state/halt.ts';
import type { ExecutionLimits } from '../rebalanceplan/state/state.ts';
import { updateNode } from '../rebalanceplan/writes/nodes.ts';
import { buildClaim } from './claim.ts';
import {
  type AssessedNode,
  decidePredictions,
  hasForeignLabel,
  type MarkChange,
  type PredictionDecision,
} from './decide.ts';
import { gatherEvidence, type OfferingHistory, spotPrices } from './evidence.ts';
import { claimsToPrune, claimsToWithdraw, isOurs } from './history.ts';
import { offeringKey, offeringsToRemember, rememberOffering } from './memory.ts';
import type { PredictionMetrics } from './metrics.ts';
import { BUILTIN_MODEL, interruptionProbability } from './model.ts';
import type { Scoreboard, ScoredMachine } from './score.ts';
import type { PredictionSettings } from './settings.ts';
import { INTERRUPTIONS, isAbout, markOf, mergeHeard, type Prediction } from './signal.ts';
import type { Listener, SourceCondition, WatchedNode } from './source.ts';
import type { PredictionRecord } from './stored/record.ts';

/** Time that a cycle waits for a source; what a slower one says counts in the next cycle. */
const PATIENCE_MS = 3_000;
/** Time for which a claim that was made is waited for in the cache. */
const CLAIM_LAG_MS = 30_000;

export interface PredictionOptions {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly catalogue: () => Promise<Catalogue>;
  readonly listeners: readonly Listener[];
  readonly history: OfferingHistory;
  /** The spot placement score of an offering, 'type/zone', where it is known and counts. */
  readonly scoreOf: (offering: string) => number | undefined;
  readonly scores: Scoreboard;
  readonly record: PredictionRecord;
  readonly limits: Pick<ExecutionLimits, 'haltNodes' | 'haltPercent'>;
  /** Whether claims are carried out. */
  readonly isRebalancerEnabled: () => boolean;
  readonly policies: () => PoliciesNow;
  readonly recorder: Recorder;
  readonly metrics: PredictionMetrics;
  readonly log: Logger;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What one process knows and no object: the claim that the cache does not show yet, and who was told of a prediction. */
export interface CycleMemory {
  claim?: { readonly name: string; readonly at: number } | undefined;
  told: ReadonlySet<string>;
}

/** Nodes that the cloud may take back, with their NodeClaims. */
export const watchedNodes = (caches: Pick<Caches, 'nodes' | 'nodeClaims'>): readonly WatchedNode[] =>
  caches.nodes.list().flatMap((node): WatchedNode[] => {
    const capacityType = node.metadata.labels?.[KARPENTER_CAPACITY_TYPE];
    if (capacityType !== 'spot' && capacityType !== 'reserved') return [];
    const claim = claimOf(caches, node);
    return claim ? [{ node, claim }] : [];
  });

interface Assessment {
  readonly nodes: readonly AssessedNode[];
  readonly conditions: readonly (readonly [string, SourceCondition])[];
}

/** Asks every source, and gives each node the highest probability that any model has for it. */
const assess = async (
  o: PredictionOptions,
  settings: PredictionSettings,
  now: number,
): Promise<Assessment> => {
  const nodes = watchedNodes(o.caches);
  const request = { nodes, modelName: settings.modelName, now };
  const answers = await Promise.all(
    o.listeners.map(async (each) => [each.name, await each.ask(request, PATIENCE_MS, o.signal)] as const),
  );
  const offerings = new Set(nodes.flatMap(({ node }) => offeringKey(node) ?? []));
  const catalogue = await o.catalogue().catch((): Catalogue => ({ instanceTypes: [] }));
  const evidence = gatherEvidence({
    nodes,
    signals: answers.flatMap(([, { signals }]) => signals),
    unavailable: o.caches.unavailable.list(),
    prices: spotPrices(catalogue, offerings),
    history: o.history,
    scoreOf: o.scoreOf,
    now,
  });
  const foreign = Map.groupBy(
    answers.flatMap(([, { predictions }]) => predictions),
    ({ node }) => node,
  );
  const assessed = nodes.map(({ node, claim }): AssessedNode => {
    const { name } = node.metadata;
    const own = evidence.get(name) ?? { heard: {}, interruptions: 0, refusals: 0, priceRise: 0 };
    const builtin: Prediction = {
      node: name,
      model: BUILTIN_MODEL,
      probability: interruptionProbability(own, now),
    };
    const ofNode = (foreign.get(name) ?? []).filter((each) => isAbout(each, node));
    const predictions = [builtin, ...ofNode];
    const prediction = predictions.reduce((best, each) =>
      each.probability > best.probability ? each : best,
    );
    return { node, claim, heard: own.heard, predictions, prediction };
  });
  return { nodes: assessed, conditions: answers.map(([name, { condition }]) => [name, condition]) };
};

/** A node as scores see it: an interruption counts from when it was first heard of. */
const scoredMachine = ({ node, heard, predictions }: AssessedNode): ScoredMachine => {
  const ends = [...INTERRUPTIONS].flatMap((kind) => heard[kind] ?? []);
  return {
    id: node.metadata.uid ?? node.metadata.name,
    predictions,
    interruptedAt: ends.length > 0 ? Math.min(...ends) : undefined,
  };
};

/** Writes one mark over the node as it is: a signal that came meanwhile stays. */
const writeMark = (o: PredictionOptions, { node, mark, isLabelled }: MarkChange): Promise<void> =>
  updateNode({ client: o.client, signal: o.signal }, node.metadata.name, (current) => {
    const isAnother = current.metadata.uid !== node.metadata.uid;
    const known = markOf(current, o.clock.now());
    // A label that is not ours stays, also one that came meanwhile.
    if (isAnother || (known === undefined && !mark) || (isLabelled && hasForeignLabel(current)))
      return undefined;
    const next = mark && known ? { ...mark, heard: mergeHeard(known.heard, mark.heard) } : mark;
    const hasLabel = hasOurPrediction(current);
    return {
      metadata: {
        ...((isLabelled || hasLabel) && {
          labels: { [PREDICTED_INTERRUPTION]: isLabelled ? 'true' : null },
        }),
        annotations: { [INTERRUPTION_MARK]: next ? JSON.stringify(next) : null },
      },
    };
  });

const percent = (probability: number): string => `${Math.round(probability * 100)} %`;

/** One write after the other; one that is refused keeps no other from being done. */
const attempt = async (
  o: PredictionOptions,
  what: string,
  about: object,
  write: () => Promise<void>,
): Promise<void> => {
  try {
    await write();
  } catch (error) {
    o.signal.throwIfAborted();
    o.log.warn({ err: error, ...about }, what);
  }
};

const tell = (o: PredictionOptions, memory: CycleMemory, decision: PredictionDecision): void => {
  const told = new Set<string>();
  for (const { node, prediction } of decision.atRisk) {
    const key = `${node.metadata.name}/${node.metadata.uid}`;
    told.add(key);
    if (memory.told.has(key)) continue;
    const { probability, model } = prediction;
    const message = `Model ${model} gives ${percent(probability)} that the cloud takes this node back within half an hour`;
    o.recorder.event(NODES, node, 'Warning', 'SpotInterruptionPredicted', message);
    o.log.info({ node: node.metadata.name, probability, model }, 'spot interruption predicted');
  }
  for (const { node, reason } of decision.deferred) {
    o.recorder.event(
      NODES,
      node,
      'Normal',
      'SpotReplacementDeferred',
      `At risk, and not replaced now: ${reason}`,
    );
  }
  memory.told = told;
};

/** Whether a claim was made that the cache does not show yet. */
const isClaimOnItsWay = (o: PredictionOptions, memory: CycleMemory, now: number): boolean => {
  const { claim } = memory;
  if (claim && (o.caches.claims.get(claim.name) || now - claim.at > CLAIM_LAG_MS)) memory.claim = undefined;
  return memory.claim !== undefined;
};

const replace = async (
  o: PredictionOptions,
  memory: CycleMemory,
  decision: PredictionDecision,
  now: number,
): Promise<void> => {
  if (decision.replace.length === 0) return;
  const claim = buildClaim(decision, now);
  memory.claim = { name: claim.metadata.name, at: now };
  try {
    const created = await o.client.create(REBALANCE_PLAN_CLAIMS, claim, { signal: o.signal });
    const message = `Replaces ${decision.replace.join(', ')}, which the cloud is predicted to take back`;
    o.recorder.event(REBALANCE_PLAN_CLAIMS, created, 'Normal', 'SpotInterruptionPredicted', message);
    o.metrics.replaced.inc(decision.replace.length);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
};

const remove = async (o: PredictionOptions, settings: PredictionSettings, now: number): Promise<void> => {
  const claims = o.caches.claims.list();
  const isActive = settings.enabled && !settings.shadow;
  for (const { metadata } of [
    ...claimsToPrune(claims, settings.cooldownMs, now),
    ...(isActive ? [] : claimsToWithdraw(claims)),
  ]) {
    const { name, uid, resourceVersion } = metadata;
    // A claim whose plan begins meanwhile has another version, and goes on.
    const as = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }), signal: o.signal };
    await attempt(o, 'a claim of spot interruption prediction was not deleted', { claim: name }, () =>
      o.client.delete(REBALANCE_PLAN_CLAIMS, { name }, as).catch(ignoreNotFoundOrConflict),
    );
  }
};

/** Runs one cycle: asks the sources, decides, and writes marks, memory of offerings and at most one claim. */
export const runCycle = async (
  o: PredictionOptions,
  settings: PredictionSettings,
  memory: CycleMemory,
): Promise<string> => {
  const { caches } = o;
  const now = o.clock.now();
  const { nodes, conditions } = settings.enabled
    ? await assess(o, settings, now)
    : { nodes: [], conditions: [] };
  if (settings.enabled) o.scores.observe(nodes.map(scoredMachine), settings.threshold, now);
  const isOff = o.isRebalancerEnabled() ? undefined : 'the rebalancer is disabled';
  const isWaiting = isClaimOnItsWay(o, memory, now) ? 'the last claim is being made' : undefined;
  const decision = decidePredictions(settings, {
    nodes,
    allNodes: caches.nodes.list(),
    claims: caches.claims.list().filter(isOurs),
    plans: caches.plans.list(),
    haltedBy: isOff ?? isWaiting ?? haltReason(countUnready(caches.nodes.list()), o.limits),
    heldBy: (node) => scopeHold(o.policies(), node),
    now,
  });
  for (const change of decision.marks) {
    const about = { node: change.node.metadata.name };
    await attempt(o, 'a prediction was not written to its node', about, () => writeMark(o, change));
  }
  if (settings.enabled && !settings.shadow) {
    tell(o, memory, decision);
    const known = (name: string): UnavailableOffering | undefined => caches.unavailable.get(name);
    for (const spec of offeringsToRemember(nodes, decision.atRisk, known, now)) {
      await attempt(o, 'an offering that is taken back was not remembered', { offering: spec }, () =>
        rememberOffering(o.client, spec, known(unavailableName(spec)), now, o.signal),
      );
    }
    await replace(o, memory, decision, now);
  }
  await remove(o, settings, now);
  o.metrics.enabled.set({ mode: 'replace' }, settings.enabled && !settings.shadow ? 1 : 0);
  o.metrics.enabled.set({ mode: 'shadow' }, settings.enabled && settings.shadow ? 1 : 0);
  o.metrics.atRisk.set(decision.atRisk.length);
  o.metrics.deferred.set(decision.deferred.length);
  for (const [source, { status }] of conditions) o.metrics.sources.set({ source }, status === 'True' ? 1 : 0);
  const outcome = outcomeOf(settings, nodes.length, decision);
  await o.record.save(conditions, outcome, settings.enabled, o.signal);
  return outcome;
};

const outcomeOf = (
  settings: PredictionSettings,
  nodes: number,
  { atRisk, replace: replaced, deferred }: PredictionDecision,
): string => {
  if (!settings.enabled) return 'spot interruption prediction is not enabled';
  const risk = `${atRisk.length} of ${nodes} spot nodes are at risk`;
  if (settings.shadow) return `${risk}; a shadow moves nothing`;
  const now = replaced.length > 0 ? `${replaced.join(', ')} are replaced` : 'none is replaced now';
  return `${risk}, ${now}, ${deferred.length} wait`;
};
