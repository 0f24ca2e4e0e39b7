/** The best content of one node, and a value that no content can pass. */
export interface Filling {
  /** Pods per item. */
  readonly counts: Int32Array;
  readonly value: number;
  /** No filling is worth more; equal to value when the search was complete. */
  readonly most: number;
}

/** Items to choose from: sizes are items × dimensions, worth and limit per item. */
export interface Items {
  readonly width: number;
  readonly sizes: Float64Array;
  readonly worth: Float64Array;
  readonly limits: Int32Array;
}

const weighItem = ({ width, sizes }: Items, weight: Float64Array, item: number): number => {
  let sum = 0;
  for (let d = 0; d < width; d += 1) sum += (weight[d] as number) * (sizes[item * width + d] as number);
  return sum;
};

/** Items by worth for their size, best first: the order in which `fillBest` wants its candidates. */
export const orderByDensity = (items: Items, weight: Float64Array): Int32Array => {
  const density = items.worth.map((worth, item) => worth / Math.max(weighItem(items, weight, item), 1e-30));
  return Int32Array.from(density.keys()).sort((a, b) => (density[b] ?? 0) - (density[a] ?? 0) || a - b);
};

/**
 * Fills one node with what is worth most, by branch and bound over a few surrogate sizes. After `maxSteps` the best so
 * far is given, with the least bound that is still certain. `weights` are price vectors over dimensions, each of which
 * turns a node's many sizes into one.
 */
export const fillBest = (
  items: Items,
  candidates: Int32Array,
  room: Float64Array,
  weights: readonly Float64Array[],
  maxSteps: number,
): Filling => {
  const { width, sizes, worth, limits } = items;
  const weigh = (weight: Float64Array, item: number): number => weighItem(items, weight, item);
  const able = candidates.filter((item) => {
    if ((worth[item] as number) <= 0 || (limits[item] as number) <= 0) return false;
    for (let d = 0; d < width; d += 1) {
      if ((sizes[item * width + d] as number) > (room[d] as number)) return false;
    }
    return true;
  });
  const n = able.length;
  // Best worth per surrogate size among this item and those after it.
  const rates = weights.map((weight) => {
    const rate = new Float64Array(n + 1);
    for (let i = n - 1; i >= 0; i -= 1) {
      const item = able[i] as number;
      const size = weigh(weight, item);
      const own = size > 0 ? (worth[item] as number) / size : Number.POSITIVE_INFINITY;
      rate[i] = Math.max(rate[i + 1] as number, own);
    }
    return rate;
  });
  // Worth of everything from this item on, were there room for it.
  const rest = new Float64Array(n + 1);
  for (let i = n - 1; i >= 0; i -= 1) {
    const item = able[i] as number;
    rest[i] = (rest[i + 1] as number) + (worth[item] as number) * (limits[item] as number);
  }
  const free = Float64Array.from(room);
  const counts = new Int32Array(n);
  const best = new Int32Array(n);
  let bestValue = 0;
  let steps = 0;
  let cut = 0;
  const bound = (i: number): number => {
    let least = rest[i] as number;
    for (let w = 0; w < weights.length; w += 1) {
      const rate = (rates[w] as Float64Array)[i] as number;
      if (!Number.isFinite(rate)) continue;
      const weight = weights[w] as Float64Array;
      let size = 0;
      for (let d = 0; d < width; d += 1) size += (weight[d] as number) * (free[d] as number);
      if (rate * size < least) least = rate * size;
    }
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
    const item = able[i] as number;
    const at = item * width;
    let take = limits[item] as number;
    for (let d = 0; d < width; d += 1) {
      const size = sizes[at + d] as number;
      if (size > 0) take = Math.min(take, Math.floor((free[d] as number) / size));
    }
    for (let d = 0; d < width; d += 1) free[d] = (free[d] as number) - take * (sizes[at + d] as number);
    for (let k = take; k >= 0; k -= 1) {
      counts[i] = k;
      visit(i + 1, value + k * (worth[item] as number));
      if (k > 0) for (let d = 0; d < width; d += 1) free[d] = (free[d] as number) + (sizes[at + d] as number);
    }
    counts[i] = 0;
  };
  visit(0, 0);
  const out = new Int32Array(worth.length);
  for (let i = 0; i < n; i += 1) out[able[i] as number] = best[i] as number;
  return { counts: out, value: bestValue, most: Math.max(bestValue, cut) };
};
