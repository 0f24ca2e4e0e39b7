/** When each phase of planning ends at the latest, as a part of the time budget. The rest is for writing the plan. */
const SHARES = { construct: 0.35, bound: 0.5, search: 0.9, reduceMoves: 0.95 } as const;
type Phase = keyof typeof SHARES;

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

/** Per phase, tells whether its time is over. It never is without a clock or a time budget. */
export const phaseTimers = (request: TimedRequest): Readonly<Record<Phase, () => boolean>> => {
  const { clock, timeBudgetMs } = request;
  const started = clock?.() ?? 0;
  const isPast = (phase: Phase) => (): boolean =>
    clock !== undefined && timeBudgetMs !== undefined && clock() - started >= timeBudgetMs * SHARES[phase];
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

/** The request with the part of its time budget that is left since `started`. */
export const remaining = <T extends TimedRequest>(request: T, started: number): T => {
  const { clock, timeBudgetMs } = request;
  if (!clock || timeBudgetMs === undefined) return request;
  return { ...request, timeBudgetMs: Math.max(0, timeBudgetMs - (clock() - started)) };
};
