/** When each phase of planning ends at the latest, as a part of the time budget. The rest is for writing the plan. */
const SHARES = { construct: 0.35, bound: 0.5, search: 0.9, reduceMoves: 0.95 } as const;
type Phase = keyof typeof SHARES;

/**
 * Part of its share that each phase has at least, counted from when the search begins: reading a large cluster on a slow machine
 * may use up all that was to be searched in.
 */
const LEAST_SHARE = 0.25;
/** Part of the time budget that a search which repeats another has at least. */
const LEAST_LEFT = 0.2;

/** Rounds of local search when a time budget ends it. */
const ROUNDS_IN_TIME = 20_000;
/** Rounds of local search without a time budget. */
const ROUNDS = 2000;

/** An answer within this part of the lower bound is as good as the best there is. */
export const BOUND_TOLERANCE = 0.0002;

interface TimedRequest {
  readonly clock?: () => number;
  readonly timeBudgetMs?: number;
  readonly rounds?: number;
}

/**
 * Per phase, tells whether its time is over. It never is without a clock or a time budget. `started` is when the cluster began
 * to be read; the search begins now.
 */
export const phaseTimers = (
  request: TimedRequest,
  started: number,
): Readonly<Record<Phase, () => boolean>> => {
  const { clock, timeBudgetMs } = request;
  const begun = clock?.() ?? 0;
  const isPast = (phase: Phase) => {
    const share = (timeBudgetMs ?? 0) * SHARES[phase];
    const end = Math.max(started + share, begun + share * LEAST_SHARE);
    return (): boolean => clock !== undefined && timeBudgetMs !== undefined && clock() >= end;
  };
  return {
    construct: isPast('construct'),
    bound: isPast('bound'),
    search: isPast('search'),
    reduceMoves: isPast('reduceMoves'),
  };
};

/** Rounds of local search for a request. */
export const roundsOf = ({ clock, timeBudgetMs, rounds }: TimedRequest): number =>
  rounds ?? (clock && timeBudgetMs !== undefined ? ROUNDS_IN_TIME : ROUNDS);

/** The request with the part of its time budget that is left since `started`, and with enough to search. */
export const remaining = <T extends TimedRequest>(request: T, started: number): T => {
  const { clock, timeBudgetMs } = request;
  if (!clock || timeBudgetMs === undefined) return request;
  return {
    ...request,
    timeBudgetMs: Math.max(timeBudgetMs * LEAST_LEFT, timeBudgetMs - (clock() - started)),
  };
};

/** What a search says that found nothing, and whether more time might have. */
export const notCheaper = (isOutOfTime: boolean): string =>
  `No cheaper set of nodes was found${isOutOfTime ? ' in the time that the search had' : ''}.`;
