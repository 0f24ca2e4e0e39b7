/**
 * When each step of planning ends at the latest, as a part of the time budget: a first set of nodes, the bound, local
 * search, giving pods back. What is left is for writing the plan.
 */
const SHARES = { construct: 0.35, bound: 0.5, search: 0.9, reduceMoves: 0.95 } as const;
type Phase = keyof typeof SHARES;

/** Rounds of local search where a time budget ends it. */
const ROUNDS_IN_TIME = 20_000;
const ROUNDS = 2000;

/** An answer this near the bound, as a part of it, is as good as the best there is. */
export const BOUND_TOLERANCE = 0.0002;

interface Timed {
  readonly clock?: () => number;
  readonly timeBudgetMs?: number;
  readonly rounds?: number;
}

/** Tells when the time of a step is over; never when the request has no clock or no budget. */
export const timerOf = (request: Timed): Readonly<Record<Phase, () => boolean>> => {
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

/** How many rounds of local search a request is worth: small questions are done before their time is over. */
export const roundsOf = ({ clock, timeBudgetMs, rounds }: Timed): number =>
  rounds ?? (clock && timeBudgetMs !== undefined ? ROUNDS_IN_TIME : ROUNDS);
