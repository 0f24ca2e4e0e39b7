import { hasOurPrediction } from '../../api/identity/predictionlabel.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import { KARPENTER_DISRUPTED_TAINT, PREDICTED_INTERRUPTION } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { deletedClaims, isFinished as isPlanFinished } from '../../api/plans.ts';
import { historyOf } from './history.ts';
import type { PredictionSettings } from './settings.ts';
import {
  type Heard,
  HORIZON_MS,
  heardBy,
  type InterruptionMark,
  markOf,
  type Prediction,
  SIGNAL_KINDS,
} from './signal.ts';
import type { WatchedNode } from './source.ts';

/** Time for which a signal is remembered on a node that is not at risk. */
export const SIGNAL_MEMORY_MS = 2 * 3_600_000;
/** Replacements within an hour, as a multiple of those at once, and the least that there may be. */
const HOURLY = 3;
const LEAST_HOURLY = 3;

/** A spot node with what is known of it now. */
export interface AssessedNode extends WatchedNode {
  readonly heard: Heard;
  readonly predictions: readonly Prediction[];
  /** The highest of them. */
  readonly prediction: Prediction;
}

/** What a cycle decides from. `now` in milliseconds since 1970. */
export interface PredictionState {
  readonly nodes: readonly AssessedNode[];
  /** All nodes of the cluster, to take marks off that nobody needs any more. */
  readonly allNodes: readonly Node[];
  readonly claims: readonly RebalancePlanClaim[];
  readonly plans: readonly RebalancePlan[];
  /** Why no plan starts now, such as too many unready nodes; undefined when plans start. */
  readonly haltedBy: string | undefined;
  /** Why no plan that nobody asked for replaces a node; undefined where one may, as for all where it is left out. */
  readonly heldBy?: (node: Node) => string | undefined;
  readonly now: number;
}

/** The mark that a node is to have, none where undefined, and whether it has the label. */
export interface MarkChange {
  readonly node: Node;
  readonly mark: InterruptionMark | undefined;
  readonly isLabelled: boolean;
}

export interface PredictionDecision {
  readonly marks: readonly MarkChange[];
  readonly atRisk: readonly AssessedNode[];
  /** Names of the nodes that one claim replaces now. */
  readonly replace: readonly string[];
  /** The most replacements in a row that one of these nodes comes from. */
  readonly replacements: number;
  readonly deferred: readonly { readonly node: Node; readonly reason: string }[];
}

/** Signals that still count. */
const recent = (heard: Heard, now: number): Heard => {
  const known = heardBy(heard, now);
  return Object.fromEntries(
    SIGNAL_KINDS.flatMap((kind) => {
      const at = known[kind];
      return at !== undefined && now - at < SIGNAL_MEMORY_MS ? [[kind, at] as const] : [];
    }),
  ) as Heard;
};

/** True for a node with the label, of any value, that somebody else put there: it stays as it is. */
export const hasForeignLabel = (node: Node): boolean =>
  node.metadata.labels?.[PREDICTED_INTERRUPTION] !== undefined && !hasOurPrediction(node);

/** The change of one node's mark; undefined where it stays. */
const markChange = (node: Node, risk: AssessedNode | undefined, now: number): MarkChange | undefined => {
  const mark = markOf(node, now);
  const until = mark?.until ?? 0;
  if (risk) {
    // Written again only when half of its time is over.
    if (hasOurPrediction(node) && until - now > HORIZON_MS / 2) return undefined;
    if (hasForeignLabel(node)) return undefined;
    const { probability, model } = risk.prediction;
    const next = { heard: recent(risk.heard, now), probability, model, until: now + HORIZON_MS };
    return { node, mark: next, isLabelled: true };
  }
  if (!mark || until > now) return undefined;
  const heard = recent(mark.heard, now);
  const isKept = Object.keys(heard).length > 0;
  const isSame = Object.keys(heard).length === Object.keys(mark.heard).length && mark.until === undefined;
  if (isKept && isSame && !hasOurPrediction(node)) return undefined;
  return { node, mark: isKept ? { heard } : undefined, isLabelled: false };
};

const isLeaving = ({ node, claim }: WatchedNode): boolean =>
  Boolean(node.metadata.deletionTimestamp ?? claim.metadata.deletionTimestamp) ||
  (node.spec?.taints?.some(({ key }) => key === KARPENTER_DISRUPTED_TAINT) ?? false);

/** NodeClaims that unfinished plans have for themselves. */
const claimsInPlans = (plans: readonly RebalancePlan[]): ReadonlySet<string> =>
  new Set(
    plans
      .filter((plan) => plan.spec.execute && !isPlanFinished(plan))
      .flatMap(({ spec }) => [
        ...deletedClaims(spec),
        ...(spec.nodeClaimsToAdd ?? []).map(({ metadata }) => metadata.name ?? ''),
      ]),
  );

/** How many nodes may be replaced at once, and within an hour. */
export const capsOf = (
  { maxNodesPercent }: Pick<PredictionSettings, 'maxNodesPercent'>,
  spotNodes: number,
): { readonly atOnce: number; readonly hourly: number } => {
  const atOnce = Math.max(1, Math.floor((spotNodes * maxNodesPercent) / 100));
  return { atOnce, hourly: Math.max(LEAST_HOURLY, HOURLY * atOnce) };
};

/** Which nodes are at risk, which of them are replaced now, and why others are not. Nothing while it is off. */
export const decidePredictions = (
  settings: PredictionSettings,
  state: PredictionState,
): PredictionDecision => {
  const { now } = state;
  const atRisk = settings.enabled
    ? state.nodes
        .filter((each) => each.prediction.probability >= settings.threshold && !isLeaving(each))
        .toSorted(
          (a, b) =>
            b.prediction.probability - a.prediction.probability ||
            a.node.metadata.name.localeCompare(b.node.metadata.name),
        )
    : [];
  const nothing = { atRisk, replace: [], replacements: 0, deferred: [] };
  if (!settings.enabled) {
    const marks = state.allNodes
      .filter((node) => markOf(node, now) !== undefined)
      .map((node) => ({ node, mark: undefined, isLabelled: false }));
    return { ...nothing, marks };
  }
  const risks = new Map(settings.shadow ? [] : atRisk.map((each) => [each.node.metadata.name, each]));
  const marks = state.allNodes.flatMap((node) => {
    const change = markChange(node, risks.get(node.metadata.name), now);
    // A shadow labels nothing, and does not wait for the end of a label that it finds.
    const mark = markOf(node, now);
    const isStale = settings.shadow && mark?.until !== undefined;
    return change ?? (isStale ? { node, mark: { heard: mark.heard }, isLabelled: false } : []);
  });
  if (settings.shadow) return { ...nothing, marks };

  const history = historyOf({ ...state, cooldownMs: settings.cooldownMs });
  const taken = claimsInPlans(state.plans);
  const caps = capsOf(settings, state.nodes.length);
  const replace: string[] = [];
  const deferred: { node: Node; reason: string }[] = [];
  let replacements = 0;
  for (const { node, claim } of atRisk) {
    const { name } = node.metadata;
    if (history.inWork.has(name)) continue;
    const rest = history.restsUntil(node, claim.metadata.name);
    const isBusy = taken.has(claim.metadata.name);
    const atOnce = history.inWork.size + replace.length;
    const reason =
      state.haltedBy ??
      state.heldBy?.(node) ??
      (isBusy ? 'a plan has it already' : undefined) ??
      (rest > 0
        ? `it or what it replaces was replaced lately: not before ${new Date(rest).toISOString()}`
        : undefined) ??
      (atOnce >= caps.atOnce
        ? `${atOnce} of ${state.nodes.length} spot nodes are being replaced, and no more may be at once`
        : undefined) ??
      (history.lastHour + replace.length >= caps.hourly
        ? `${history.lastHour + replace.length} spot nodes were replaced within an hour, and no more may be`
        : undefined);
    if (reason !== undefined) {
      deferred.push({ node, reason });
      continue;
    }
    replace.push(name);
    replacements = Math.max(replacements, history.replacementsBefore(claim.metadata.name));
  }
  return { marks, atRisk, replace, replacements, deferred };
};
