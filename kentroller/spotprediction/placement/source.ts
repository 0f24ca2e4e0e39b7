import type { Counter } from 'prom-client';
import { printable } from '../../../api/text/printable.ts';
import { type UnreadKind, unreadScores } from '../../../cloud/aws/placementscores/unread.ts';
import type { Cloud } from '../../../cloud/cloud.ts';
import type { Catalogue } from '../../../planner/model/catalogue.ts';
import {
  type PredictionSource,
  type SourceAnswer,
  type SourceCondition,
  type SourceRequest,
  silent,
} from '../source.ts';
import { conditionOf, sentence } from './condition.ts';
import { decidePlacement, type PlacementDecision, type Question } from './decide.ts';
import { familiesInUse, typesByFamily } from './families.ts';
import type { PlacementScores } from './scores.ts';

/** EC2's spot placement scores, by family and zone. See docs/designs/0068-spot-placement-scores.md. */

export type Outcome = 'scored' | UnreadKind;
export const OUTCOMES: readonly Outcome[] = [
  'scored',
  'denied',
  'no-credentials',
  'unsupported',
  'limited',
  'throttled',
  'unanswered',
];

const TIMEOUT_MS = 30_000;
/** Delay after an answer that somebody has to do something about, and after one that says that there are no scores. */
const LASTING_MS = 10 * 60_000;
const UNSUPPORTED_MS = 60 * 60_000;
/** Delays after throttling and after a refusal of new configurations, doubled with each one more. */
const THROTTLED_MS = { first: 60_000, most: 30 * 60_000 };
const LIMITED_MS = { first: 60 * 60_000, most: 24 * 60 * 60_000 };
const MAX_REASON = 200;

const doubled = ({ first, most }: typeof LIMITED_MS, times: number): number =>
  Math.min(first * 2 ** Math.min(times, 20), most);

export interface PlacementSourceOptions {
  readonly placementScores: Cloud['placementScores'];
  readonly catalogue: () => Promise<Catalogue>;
  readonly scores: PlacementScores;
  /** Families that may be asked for within a day; 0 asks for none. */
  readonly most: () => number;
  /** By `outcome`. */
  readonly requests: Counter;
  readonly now: () => number;
}

/** What keeps every family from being asked for. */
type StopKind = Exclude<UnreadKind, 'limited' | 'unanswered'>;

const REASONS: { readonly [K in StopKind]: string } = {
  denied: 'Forbidden',
  'no-credentials': 'NoCredentials',
  unsupported: 'NotSupported',
  throttled: 'Throttled',
};

/** Asks for one family after the other, never for two at a time, and keeps what EC2 says in `scores`. */
export const createPlacementSource = (o: PlacementSourceOptions): PredictionSource & { open(): void } => {
  const { scores, now } = o;
  const failed = new Map<string, string>();
  let stopped: { readonly condition: SourceCondition; readonly until: number } | undefined;
  let throttles = 0;
  let refusals = 0;
  let noNewBefore = 0;
  for (const outcome of OUTCOMES) o.requests.inc({ outcome }, 0);

  const waitOf = (kind: StopKind): number => {
    if (kind === 'throttled') return doubled(THROTTLED_MS, throttles++);
    return kind === 'unsupported' ? UNSUPPORTED_MS : LASTING_MS;
  };
  const stop = (kind: StopKind, reason: string): void => {
    const until = now() + waitOf(kind);
    const message = sentence(
      `spot placement scores are not read before ${new Date(until).toISOString()}: ${reason}`,
    );
    stopped = { condition: { status: 'False', reason: REASONS[kind], message }, until };
  };

  /** Asks for one family; false where the next ones wait for the next poll. */
  const ask = async (
    { family, types }: Question,
    read: NonNullable<Cloud['placementScores']>,
    signal: AbortSignal,
  ): Promise<boolean> => {
    const before = scores.configurations(now()).find((each) => each.family === family);
    // A question that may have come through counts to the account's limit.
    scores.asked(family, types, now());
    try {
      const found = await read(types, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
      scores.answered(family, [...found], now());
      o.requests.inc({ outcome: 'scored' });
      failed.delete(family);
      throttles = 0;
      if (!before) refusals = 0;
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const { kind, reason } = unreadScores(error);
      o.requests.inc({ outcome: kind });
      if (kind === 'unanswered') {
        failed.set(family, printable(reason).slice(0, MAX_REASON));
        return false;
      }
      scores.notAsked(family, before);
      if (kind !== 'limited') stop(kind, reason);
      else noNewBefore = now() + doubled(LIMITED_MS, refusals++);
      return kind === 'limited';
    }
  };

  const poll = async ({ nodes }: SourceRequest, signal: AbortSignal): Promise<SourceAnswer> => {
    const most = o.most();
    if (most === 0)
      return silent(
        'NotConfigured',
        'Set SPOT_INTERRUPTION_PREDICTION_PLACEMENT_SCORE_FAMILIES to how many families of instance types EC2 may be asked for.',
      );
    const { placementScores: read } = o;
    if (!read)
      return silent(
        'NotConfigured',
        'Scores are read on AWS only, with prices from EC2: INSTANCE_TYPES_FILE_PATH must not be set.',
      );
    const inUse = familiesInUse(nodes);
    const types = typesByFamily(await o.catalogue());
    const decide = (): PlacementDecision =>
      decidePlacement({ inUse, types, known: scores.configurations(now()), most, noNewBefore, now: now() });
    if (stopped && now() >= stopped.until) stopped = undefined;
    const known = new Set(scores.configurations(now()).map(({ family }) => family));
    for (const question of stopped ? [] : decide().questions) {
      const isRefused = now() < noNewBefore && !known.has(question.family);
      if (!isRefused && !(await ask(question, read, signal))) break;
    }
    const scored = new Set(scores.current(now()).map(({ family }) => family));
    const decision = decide();
    const hasScores = decision.asked.some((family) => scored.has(family));
    const condition = stopped?.condition ?? conditionOf(decision, { most, noNewBefore, failed, hasScores });
    return { condition, signals: [], predictions: [] };
  };

  return {
    name: 'placement-scores',
    // Whoever turned it on may have added the right just now.
    open: () => {
      stopped = undefined;
    },
    poll,
  };
};
