import type { Sample } from './meter.ts';

/** The outcome of one side. Money in USD per hour. */
export interface Outcome {
  readonly before: number;
  readonly after: number;
  readonly nodes: number;
  /** Time from the start to the last change of the cost. */
  readonly minutes: number;
  readonly evicted: number;
  readonly evictedPerDollar: number;
  /** USD spent from the start until `horizonMs`, continued at the final cost. */
  readonly spent: number;
  readonly mostPending: number;
  /** Pods that waited, times their seconds. */
  readonly pendingSeconds: number;
}

const EPSILON = 1e-6;

/** Milliseconds from the start to the last change of the cluster's cost; 0 without one. */
export const lastChange = (samples: readonly Sample[]): number => {
  const at = samples.findLastIndex((sample, i) => {
    const earlier = samples[i - 1];
    return earlier !== undefined && Math.abs(sample.cost - earlier.cost) > EPSILON;
  });
  return samples[at]?.at ?? 0;
};

/** Whether nothing has changed for this long and no pod waits. */
export const isSettled = (samples: readonly Sample[], quietMs: number): boolean => {
  const last = samples.at(-1);
  return last !== undefined && last.pending === 0 && last.at - lastChange(samples) >= quietMs;
};

const integral = (samples: readonly Sample[], of: (sample: Sample) => number): number =>
  samples.reduce((sum, sample, i) => {
    const next = samples[i + 1];
    return next ? sum + (of(sample) * (next.at - sample.at)) / 1000 : sum;
  }, 0);

export const outcomeOf = (samples: readonly Sample[], horizonMs: number): Outcome => {
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last) throw new Error('nothing was measured');
  const saved = first.cost - last.cost;
  return {
    before: first.cost,
    after: last.cost,
    nodes: last.nodes,
    minutes: lastChange(samples) / 60_000,
    evicted: last.evicted,
    evictedPerDollar: saved > 0 ? last.evicted / saved : Number.POSITIVE_INFINITY,
    spent:
      integral(samples, (s) => s.cost) / 3600 + (last.cost * Math.max(0, horizonMs - last.at)) / 3_600_000,
    mostPending: Math.max(...samples.map((s) => s.pending)),
    pendingSeconds: integral(samples, (s) => s.pending),
  };
};

/**
 * A lower bound on the pods that must move to save this much: machines worth that have to go, and each pod on them
 * moves at least once. Machines with the fewest pods per USD go first, the last one in part.
 */
export const leastEvictions = (
  machines: readonly { readonly price: number; readonly pods: number }[],
  saved: number,
): number => {
  let left = saved;
  let moved = 0;
  for (const { price, pods } of machines.toSorted((a, b) => a.pods / a.price - b.pods / b.price)) {
    if (left <= 0) break;
    moved += pods * Math.min(1, left / price);
    left -= price;
  }
  return Math.ceil(moved - EPSILON);
};

/** Time, cost, nodes, pending and evicted pods at even steps: enough to see the course. */
export const courseOf = (samples: readonly Sample[], everyMs: number): string => {
  const rows: string[] = [];
  let next = 0;
  for (const s of samples) {
    if (s.at < next && s !== samples.at(-1)) continue;
    next = s.at + everyMs;
    rows.push(
      `${(s.at / 1000).toFixed(0).padStart(5)} s ${s.cost.toFixed(2).padStart(7)} $/h ${String(s.nodes).padStart(4)} nodes ${String(s.pending).padStart(4)} pending ${String(s.evicted).padStart(5)} evicted`,
    );
  }
  return rows.join('\n');
};
