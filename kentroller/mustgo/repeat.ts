import { setTimeout as sleep } from 'node:timers/promises';
import type { Counter } from 'prom-client';
import { NODES } from '../../api/resources.ts';
import { backoffAfter } from '../continuous/decide.ts';
import { sentenceOf } from '../rebalanceplan/drain/blockers.ts';
import { Refusals, type Refused } from './refusals.ts';
import type { RoundOptions, RoundOutcome } from './round.ts';

/** Time between looks for nodes that must go. */
const LOOK_MS = 5_000;
/** Time until the next look where nodes wait for a place; those that were refused have waits of their own. */
const REST_MS = 60_000;
const FAILURE_BACKOFF_MS = 5 * 60_000;
/** Longest wait for the cache to show what was stored; a plan may have been deleted. */
const SEEN_MS = 30_000;
/** How often a node that could not be replaced is told so again. */
const AGAIN_MS = 3_600_000;

export interface Rounds {
  readonly maker: string;
  /** Nodes by result: planned, blocked. */
  readonly total: Counter;
  /** The settings as text; a change is acted on at once. */
  readonly settings: () => string;
  /** What is told to a node that got no plan, without the reasons. */
  readonly blocked: string;
  readonly look: (refusals: Refused) => Promise<RoundOutcome>;
}

/** Tells nodes that could not be replaced why, once an hour. */
const teller = (o: RoundOptions, blocked: string): ((outcome: RoundOutcome) => void) => {
  const toldAt = new Map<string, number>();
  return ({ left }) => {
    const now = o.clock.now();
    for (const [name, at] of toldAt) if (at + AGAIN_MS <= now) toldAt.delete(name);
    for (const { name, reasons } of left) {
      const node = o.caches.nodes.get(name);
      if (!node || toldAt.has(name)) continue;
      toldAt.set(name, now);
      const message = `${blocked}: ${sentenceOf(reasons)}. It is tried again.`;
      o.recorder.event(NODES, node, 'Warning', 'ReplacementBlocked', message);
      o.log.warn({ node: name, reasons: reasons.slice(0, 10) }, 'node that must go can not be replaced');
    }
  };
};

/** Looks for nodes that must go, again and again until the signal aborts; a look that fails is backed off. */
export const repeatRounds = async (given: RoundOptions, rounds: Rounds): Promise<void> => {
  const o = { ...given, log: given.log.child({ logger: rounds.maker }) };
  const { clock, log, signal } = o;
  for (const result of ['planned', 'blocked']) rounds.total.inc({ result }, 0);
  const tell = teller(o, rounds.blocked);
  let dueAt = 0;
  let known = '';
  let failures = 0;
  let stored: readonly string[] = [];
  const refusals = new Refusals();
  let seenBy = 0;
  while (!signal.aborted) {
    const settings = rounds.settings();
    // The next look has to see the plans of the last one.
    const isSeen = clock.now() >= seenBy || stored.every((name) => o.caches.plans.get(name));
    if (isSeen && (settings !== known || clock.now() >= dueAt)) {
      if (settings !== known) refusals.forget();
      known = settings;
      try {
        const outcome = await rounds.look(refusals.refused);
        refusals.note(outcome.refused, clock.now());
        failures = 0;
        stored = outcome.plans;
        seenBy = clock.now() + SEEN_MS;
        rounds.total.inc({ result: 'planned' }, outcome.plans.length);
        rounds.total.inc({ result: 'blocked' }, outcome.left.length);
        tell(outcome);
        if (stored.length > 0) log.info({ plans: stored }, 'nodes that must go are replaced');
        // The places of those that were refused are free for others.
        const isResting = outcome.left.length > 0 && outcome.refused.length === 0;
        dueAt = isResting ? clock.now() + REST_MS : 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        const waitMs = backoffAfter(failures, FAILURE_BACKOFF_MS, error, LOOK_MS);
        dueAt = clock.now() + waitMs;
        log.warn({ err: error, retryMs: waitMs }, 'nodes that must go were not looked for');
      }
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
};
