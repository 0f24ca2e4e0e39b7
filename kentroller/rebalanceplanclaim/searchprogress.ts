import { setTimeout as sleep } from 'node:timers/promises';
import type { RebalancePlanClaim, RebalancePlanClaimStatus } from '../../api/kinds/rebalanceplanclaim.ts';
import { HOURS_PER_MONTH } from '../../api/labels.ts';
import { linkedController } from '../../kube/abort.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { isConflict, isNotFound, messageOf } from '../../kube/errors.ts';
import { readClaim, writeClaimStatus } from './claimclient.ts';
import { isCanceled, withState } from './claimstatus.ts';
import type { BeginSearch, SearchProgress } from './plannerworker.ts';

/** Milliseconds between two writes of how far the search for a claim's plan is. */
export const TELL_EVERY_MS = 10_000;

export const LOOKING = 'Looking for a cheaper set of nodes';

type Told = NonNullable<RebalancePlanClaimStatus['search']>;
type SoFar = Pick<Told, 'searches' | 'rounds' | 'bestSavingsCostMonthly'>;

/** What the searches for one claim have done: for several plans where one is too large, again where a limit asks for it. */
export class SearchLog {
  readonly #calls: SearchProgress[] = [];
  /** What each plan saves by its last search, in USD per hour. */
  readonly #saves = new Map<string, number>();

  readonly begin: BeginSearch = (planName) => {
    const call = this.#calls.push({ searches: 0, rounds: 0 }) - 1;
    return (progress) => {
      this.#calls[call] = progress;
      if (progress.saves !== undefined) this.#saves.set(planName, progress.saves);
    };
  };

  soFar(): SoFar {
    const total = (count: 'searches' | 'rounds'): number =>
      this.#calls.reduce((sum, call) => sum + call[count], 0);
    const saves = [...this.#saves.values()].reduce((sum, each) => sum + each, 0);
    return {
      searches: total('searches'),
      rounds: total('rounds'),
      ...(this.#saves.size > 0 && { bestSavingsCostMonthly: (saves * HOURS_PER_MONTH).toFixed(2) }),
    };
  }
}

const counted = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;

/** How far a search is, in one sentence; a planner outside the cluster tells nothing but the time. */
export const sentenceOf = (search: Omit<Told, 'lastUpdateTime'>, timeoutSeconds: number): string => {
  const { searches, rounds, elapsedSeconds, bestSavingsCostMonthly: best } = search;
  const time = `${elapsedSeconds} s of at most ${timeoutSeconds} s`;
  const done =
    searches === 0
      ? time
      : `${counted(searches, 'search', 'searches')}, ${counted(rounds, 'round', 'rounds')}, ${time}`;
  return `${LOOKING}: ${done}${best === undefined ? '' : `; the best so far saves ${best} USD a month`}`;
};

/** True while a search for the claim as it was asked is still wanted. */
const isWanted = (
  asked: RebalancePlanClaim,
  now: RebalancePlanClaim | undefined,
): now is RebalancePlanClaim =>
  now !== undefined &&
  now.metadata.uid === asked.metadata.uid &&
  now.metadata.generation === asked.metadata.generation &&
  now.metadata.deletionTimestamp === undefined &&
  now.status?.state === 'Generating' &&
  !isCanceled(now);

/**
 * Works, and meanwhile writes now and then into the claim how far its searches are. Returns the answer with the claim as it
 * is then. A claim that is deleted, canceled or changed ends the work with the error of the write that showed it.
 */
export const whileTelling = async <T>(
  work: (signal: AbortSignal) => Promise<T>,
  o: {
    readonly client: KubeClient;
    readonly claim: RebalancePlanClaim;
    readonly searches: Pick<SearchLog, 'soFar'>;
    readonly everyMs: number;
    /** When the claim's time for planning is over, in milliseconds since 1970. */
    readonly endsAt: number;
    readonly log: Logger;
    readonly now: () => number;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly answer: T; readonly claim: RebalancePlanClaim }> => {
  let { claim } = o;
  const startedAt = Date.parse(claim.status?.startTime ?? '') || o.now();
  const { controller: working, unlink: unlinkWork } = linkedController(o.signal);
  const { controller: telling, unlink: unlinkTelling } = linkedController(o.signal);

  const tell = async (): Promise<void> => {
    const now = o.now();
    const search = {
      ...o.searches.soFar(),
      elapsedSeconds: Math.max(0, Math.round((now - startedAt) / 1000)),
    };
    const message = sentenceOf(search, Math.round((o.endsAt - startedAt) / 1000));
    const status = {
      ...claim.status,
      search: { ...search, lastUpdateTime: new Date(now).toISOString() },
    };
    const next = withState(status, 'Generating', { reason: 'Generating', message }, now);
    claim = await writeClaimStatus(o.client, claim, next, o.signal);
  };

  const tellOrEnd = async (): Promise<void> => {
    try {
      await tell();
    } catch (error) {
      o.log.debug({ claim: claim.metadata.name, reason: messageOf(error) }, 'progress was not written');
      if (isNotFound(error)) return working.abort(error);
      if (!isConflict(error)) return;
      const found = await readClaim(o.client, claim.metadata.name, o.signal).catch(() => claim);
      if (isWanted(o.claim, found)) claim = found;
      else working.abort(error);
    }
  };

  const tellUntilDone = async (): Promise<void> => {
    while (!telling.signal.aborted) {
      await sleep(o.everyMs, undefined, { signal: telling.signal }).catch(() => undefined);
      if (!telling.signal.aborted) await tellOrEnd();
    }
  };

  const told = tellUntilDone();
  let answer: T;
  try {
    answer = await work(working.signal);
  } finally {
    telling.abort();
    await told;
    unlinkWork();
    unlinkTelling();
  }
  return { answer, claim };
};
