import { OfferingHistory } from '../spotprediction/evidence.ts';
import { type Evidence, inputsOf, type Weights } from '../spotprediction/model.ts';
import { type Heard, HORIZON_MS } from '../spotprediction/signal.ts';

/**
 * A replay of spot markets, seeded: what can be heard of machines, and which are taken back. Its rates are assumptions, see
 * docs/designs/0051-spot-prediction.md; nobody publishes those of a cloud.
 */

const MINUTE = 60_000;
const NODES_PER_OFFERING = 5;
/** Per minute. */
const RATES = {
  tightens: 1 / 1_500,
  relaxes: 1 / 150,
  interruption: { calm: 1 / 12_000, tight: 1 / 90 },
  falseRecommendation: { calm: 1 / 20_000, tight: 1 / 250 },
  refusal: { calm: 1 / 2_000, tight: 1 / 20 },
} as const;
/** Share of interruptions that a recommendation comes before, and by how many minutes at most. */
const RECOMMENDED = 0.8;
const MOST_LEAD = 30;
/** Share of the spot placement scores that are low: those that tell of the market, and those that tell nothing. */
const LOW_SCORES = { telling: { calm: 0.1, tight: 0.6 }, noise: { calm: 0.15, tight: 0.15 } } as const;
const SCORE_EVERY_MINUTES = 15;

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

interface Machine {
  readonly id: string;
  heard: Heard;
  /** When it is taken back; drawn before anybody can know. */
  endsAt: number | undefined;
  recommendedAt: number | undefined;
}

export interface Sample {
  readonly machine: string;
  readonly at: number;
  readonly evidence: Evidence;
  /** When the machine was taken back; undefined where it was not. */
  endedAt: number | undefined;
}

/** Looks at each machine every `everyMinutes`, over so many hours of so many offerings. */
export const replay = (
  seed: number,
  o: {
    readonly hours: number;
    readonly offerings: number;
    readonly everyMinutes: number;
    /** What spot placement scores are worth; without it there are none. */
    readonly placementScores?: keyof typeof LOW_SCORES;
  },
): readonly Sample[] => {
  const random = randomFrom(seed);
  // Scores have numbers of their own, so that all else is as without them.
  const scoring = randomFrom(seed + 1_000_003);
  const happens = (rate: number): boolean => random() < rate;
  const samples: Sample[] = [];
  for (let offering = 0; offering < o.offerings; offering += 1) {
    const key = `type-${offering}/zone`;
    const history = new OfferingHistory();
    let isTight = false;
    let refusals: number[] = [];
    let price = 0.1;
    let placementScore: number | undefined;
    let made = 0;
    const open = new Map<string, Sample[]>();
    const launch = (): Machine => ({
      id: `${seed}-${offering}-${made++}`,
      heard: {},
      endsAt: undefined,
      recommendedAt: undefined,
    });
    let machines = Array.from({ length: NODES_PER_OFFERING }, launch);
    for (let minute = 0; minute < o.hours * 60; minute += 1) {
      const now = minute * MINUTE;
      const market = isTight ? 'tight' : 'calm';
      if (happens(RATES.refusal[market])) refusals.push(now);
      refusals = refusals.filter((at) => now - at < 2 * 60 * MINUTE);
      if (o.placementScores && minute % SCORE_EVERY_MINUTES === 0) {
        const isLow = scoring() < LOW_SCORES[o.placementScores][market];
        placementScore = isLow ? 1 + Math.floor(scoring() * 3) : 4 + Math.floor(scoring() * 7);
      }
      price += ((isTight ? 0.13 : 0.1) - price) * 0.01 + (random() - 0.5) * 0.002;
      for (const machine of machines) {
        if (machine.endsAt === undefined && happens(RATES.interruption[market])) {
          const lead = random() < RECOMMENDED ? Math.ceil(random() * MOST_LEAD) : 0;
          machine.endsAt = now + lead * MINUTE;
          if (lead > 0) machine.recommendedAt = now;
        }
        const isFalse = machine.endsAt === undefined && happens(RATES.falseRecommendation[market]);
        if (isFalse || machine.recommendedAt === now) {
          machine.heard = { ...machine.heard, 'rebalance-recommendation': now };
        }
      }
      machines = machines.map((machine) => {
        if (machine.endsAt !== now) return machine;
        history.interrupted(key, machine.id, now);
        for (const sample of open.get(machine.id) ?? []) sample.endedAt = now;
        open.delete(machine.id);
        return launch();
      });
      if (minute % o.everyMinutes === 0) {
        const priceRise = history.riseOf(key, price, now);
        for (const { id, heard } of machines) {
          const evidence = {
            heard,
            interruptions: history.interruptionsOf(key, now),
            refusals: refusals.length,
            priceRise,
            ...(placementScore !== undefined && { placementScore }),
          };
          const sample: Sample = { machine: id, at: now, evidence, endedAt: undefined };
          samples.push(sample);
          open.set(
            id,
            [...(open.get(id) ?? []), sample].filter(({ at }) => now - at < 2 * HORIZON_MS),
          );
        }
      }
      isTight = isTight ? !happens(RATES.relaxes) : happens(RATES.tightens);
    }
  }
  return samples;
};

export const cameTrue = ({ at, endedAt }: Sample): boolean =>
  endedAt !== undefined && endedAt - at < HORIZON_MS;

const NAMES = ['recommendation', 'interruptions', 'refusals', 'priceRise'] as const;

/** The solution of a small system of linear equations, by elimination with pivots. */
const solve = (matrix: readonly (readonly number[])[], right: readonly number[]): number[] => {
  const rows = matrix.map((row, n) => [...row, right[n] ?? 0]);
  const size = rows.length;
  for (let column = 0; column < size; column += 1) {
    const below = rows.splice(column).toSorted((a, b) => Math.abs(b[column] ?? 0) - Math.abs(a[column] ?? 0));
    rows.push(...below);
    const pivot = rows[column] ?? [];
    for (let other = 0; other < size; other += 1) {
      const row = rows[other];
      if (other === column || !row) continue;
      const factor = (row[column] ?? 0) / (pivot[column] ?? 1);
      for (let n = column; n <= size; n += 1) row[n] = (row[n] ?? 0) - factor * (pivot[n] ?? 0);
    }
  }
  return rows.map((row, n) => (row[size] ?? 0) / (row[n] ?? 1));
};

/** Weights of a logistic regression over samples, by Newton's method; that of scores is given. */
export const fitWeights = (samples: readonly Sample[], rounds = 12): Omit<Weights, 'lowScore'> => {
  const rows = samples.map((sample) => {
    const inputs = inputsOf(sample.evidence, sample.at);
    return { x: [1, ...NAMES.map((name) => inputs[name])], y: cameTrue(sample) ? 1 : 0 };
  });
  let weights = [-4, 0, 0, 0, 0];
  for (let round = 0; round < rounds; round += 1) {
    const slope = weights.map(() => 0);
    const bend = weights.map(() => weights.map(() => 0));
    for (const { x, y } of rows) {
      const p = 1 / (1 + Math.exp(-x.reduce((sum, value, n) => sum + value * (weights[n] ?? 0), 0)));
      for (const [n, a] of x.entries()) {
        slope[n] = (slope[n] ?? 0) + (y - p) * a;
        const row = bend[n] ?? [];
        for (const [m, b] of x.entries()) row[m] = (row[m] ?? 0) + p * (1 - p) * a * b;
      }
    }
    // A little on the diagonal keeps the system solvable, and a bounded step keeps it from jumping away.
    const step = solve(
      bend.map((row, n) => row.map((value, m) => (n === m ? value + 1e-3 : value))),
      slope,
    );
    weights = weights.map((weight, n) => weight + Math.min(Math.max(step[n] ?? 0, -2), 2));
  }
  const [bias = 0, recommendation = 0, interruptions = 0, refusals = 0, priceRise = 0] = weights;
  return { bias, recommendation, interruptions, refusals, priceRise };
};
