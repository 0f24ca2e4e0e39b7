import { readers } from '../packing/matrix.ts';

const { floatAt, intAt } = readers;

/** The content of one node that is worth most. */
export interface Filling {
  /** Pods per item. */
  readonly counts: Int32Array;
  readonly value: number;
  /** No filling is worth more; equal to value when the search was complete. */
  readonly upperBound: number;
}

/** Items to choose from: sizes are items × dimensions, worth and limit are per item. */
export interface Items {
  /** The number of dimensions. */
  readonly width: number;
  readonly sizes: Float64Array;
  readonly worth: Float64Array;
  readonly limits: Int32Array;
}

const weigh = ({ width, sizes }: Items, weight: Float64Array, item: number): number => {
  let sum = 0;
  for (let d = 0; d < width; d += 1) sum += floatAt(weight, d) * floatAt(sizes, item * width + d);
  return sum;
};

/** Items by worth per size, best first: the order in which `fillBest` wants its candidates. */
export const orderByDensity = (items: Items, weight: Float64Array): Int32Array => {
  const density = items.worth.map((worth, item) => worth / Math.max(weigh(items, weight, item), 1e-30));
  return Int32Array.from(density.keys()).sort((a, b) => floatAt(density, b) - floatAt(density, a) || a - b);
};

/** The candidates that are worth something and fit the room at least once. */
const usable = (
  { width, sizes, worth, limits }: Items,
  candidates: Int32Array,
  room: Float64Array,
): Int32Array =>
  candidates.filter((item) => {
    if (floatAt(worth, item) <= 0 || intAt(limits, item) <= 0) return false;
    for (let d = 0; d < width; d += 1) {
      if (floatAt(sizes, item * width + d) > floatAt(room, d)) return false;
    }
    return true;
  });

/**
 * Fills one node with the items that are worth most, by branch and bound: after `maxSteps` it gives the best filling
 * so far and a bound that still holds. The bound weighs sizes by `prices` (per dimension), and looks at each dimension
 * alone.
 */
export const fillBest = (
  items: Items,
  candidates: Int32Array,
  room: Float64Array,
  prices: Float64Array,
  maxSteps: number,
): Filling => {
  const { width, sizes, worth, limits } = items;
  const able = usable(items, candidates, room);
  const n = able.length;
  // Per item, the best worth per size among it and those after it: by price, and by each dimension alone.
  const priceRates = new Float64Array(n + 1);
  const rates = new Float64Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i -= 1) {
    const item = intAt(able, i);
    const start = item * width;
    const own = floatAt(worth, item);
    let price = 0;
    for (let d = 0; d < width; d += 1) {
      const size = floatAt(sizes, start + d);
      price += floatAt(prices, d) * size;
      const rate = size > 0 ? own / size : Number.POSITIVE_INFINITY;
      rates[i * width + d] = Math.max(floatAt(rates, (i + 1) * width + d), rate);
    }
    const rate = price > 0 ? own / price : Number.POSITIVE_INFINITY;
    priceRates[i] = Math.max(floatAt(priceRates, i + 1), rate);
  }
  // Per item, the worth of it and all after it if there were room for everything.
  const rest = new Float64Array(n + 1);
  for (let i = n - 1; i >= 0; i -= 1) {
    const item = intAt(able, i);
    rest[i] = floatAt(rest, i + 1) + floatAt(worth, item) * intAt(limits, item);
  }
  const free = Float64Array.from(room);
  const counts = new Int32Array(n);
  const best = new Int32Array(n);
  let bestValue = 0;
  let steps = 0;
  let cut = 0;
  const bound = (i: number): number => {
    let least = floatAt(rest, i);
    const priceRate = floatAt(priceRates, i);
    let price = 0;
    for (let d = 0; d < width; d += 1) {
      const left = floatAt(free, d);
      price += floatAt(prices, d) * left;
      const rate = floatAt(rates, i * width + d);
      if (rate !== Number.POSITIVE_INFINITY && rate * left < least) least = rate * left;
    }
    if (priceRate !== Number.POSITIVE_INFINITY && priceRate * price < least) least = priceRate * price;
    return least;
  };
  const visit = (i: number, value: number): void => {
    if (value > bestValue) {
      bestValue = value;
      best.set(counts);
    }
    if (i === n) return;
    const hope = value + bound(i);
    if (hope <= bestValue * (1 + 1e-9)) return;
    if (steps >= maxSteps) {
      if (hope > cut) cut = hope;
      return;
    }
    steps += 1;
    const item = intAt(able, i);
    const own = floatAt(worth, item);
    const start = item * width;
    let count = intAt(limits, item);
    for (let d = 0; d < width; d += 1) {
      const size = floatAt(sizes, start + d);
      if (size > 0) count = Math.min(count, Math.floor(floatAt(free, d) / size));
    }
    for (let d = 0; d < width; d += 1) free[d] = floatAt(free, d) - count * floatAt(sizes, start + d);
    for (let k = count; k >= 0; k -= 1) {
      counts[i] = k;
      visit(i + 1, value + k * own);
      if (k > 0) for (let d = 0; d < width; d += 1) free[d] = floatAt(free, d) + floatAt(sizes, start + d);
    }
    counts[i] = 0;
  };
  visit(0, 0);
  const filling = new Int32Array(worth.length);
  for (let i = 0; i < n; i += 1) filling[intAt(able, i)] = intAt(best, i);
  return { counts: filling, value: bestValue, upperBound: Math.max(bestValue, cut) };
};
