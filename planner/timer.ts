/** The part of the time budget that the search may use; the rest is for the bound and for writing the plan. */
const SEARCH_SHARE = 0.75;

/** Tells when a request's time is over; never when it has no clock or no budget. */
export const timerOf = (request: { readonly clock?: () => number; readonly timeBudgetMs?: number }) => {
  const { clock, timeBudgetMs } = request;
  const started = clock?.() ?? 0;
  const isPast = (share: number) => (): boolean =>
    clock !== undefined && timeBudgetMs !== undefined && clock() - started >= timeBudgetMs * share;
  return { isOver: isPast(1), isSearchOver: isPast(SEARCH_SHARE) };
};
