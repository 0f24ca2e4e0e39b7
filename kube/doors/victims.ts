/** What a choice among connections looks at. */
interface Choice {
  readonly isBusy: boolean;
  readonly isWaiting: boolean;
  readonly hasServed: boolean;
  readonly since: number;
}

/** Milliseconds that a new connection has for its first request before it counts as one at rest. */
const FRESH_MS = 1_000;

/** The one of a caller's connections, the oldest first, that makes room for another caller. */
export const oldestAtRest = <C extends Choice>(all: readonly C[]): C | undefined =>
  all.find(({ isBusy }) => !isBusy) ?? all[0];

/** The connection whose place a newcomer takes: one at rest, else one that waits for its turn. */
export const placeOf = <C extends Choice>(all: readonly C[], now: number): C | undefined => {
  const idle = all.filter(({ isBusy }) => !isBusy);
  const latest = now - FRESH_MS;
  const atRest = idle.find(({ hasServed, since }) => hasServed || since <= latest);
  return atRest ?? all.find(({ isWaiting }) => isWaiting) ?? idle[0];
};
