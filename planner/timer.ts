/** The part of the time budget that the search may use; the rest is for the bound and for writing the plan. */
const SEARCH_SHARE = 0.75;
/** The part after which no pod is given back to its node any more. */
const SETTLING_SHARE = 0.9;
/** Rounds of local search where a time budget ends it. */
const ROUNDS_IN_TIME = 20_000;
const ROUNDS = 2000;

/** An answer this near the bound, as a part of it, is as good as the best there is. */
export const CLOSE = 0.0002;

interface Timed {
  readonly clock?: () => number;
  readonly timeBudgetMs?: number;
  readonly rounds?: number;
}

/** Tells when a request's time is over; never when it has no clock or no budget. */
export const timerOf = (request: Timed) => {
  const { clock, timeBudgetMs } = request;
  const started = clock?.() ?? 0;
  const isPast = (share: number) => (): boolean =>
    clock !== undefined && timeBudgetMs !== undefined && clock() - started >= timeBudgetMs * share;
  return { isOver: isPast(1), isSearchOver: isPast(SEARCH_SHARE), isSettlingOver: isPast(SETTLING_SHARE) };
};

/** How many rounds of local search a request is worth: small questions are done before their time is over. */
export const roundsOf = ({ clock, timeBudgetMs, rounds }: Timed): number =>
  rounds ?? (clock && timeBudgetMs !== undefined ? ROUNDS_IN_TIME : ROUNDS);
