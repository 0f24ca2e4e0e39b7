/** A /metrics page, as far as benchmarks read it. */

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A histogram with cumulative counts, bounds in growing order, the last one infinite. */
export interface Histogram {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

const numberOf = (text: string): number => (text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text));

const labelsOf = (text: string): Record<string, string> =>
  Object.fromEntries([...text.matchAll(LABEL)].map(([, name = '', value = '']) => [name, value]));

/** Samples of exactly this name whose labels match. */
export const samplesOf = (
  page: string,
  name: string,
  match: Readonly<Record<string, string>> = {},
): readonly Sample[] =>
  page.split('\n').flatMap((line) => {
    if (!line.startsWith(name)) return [];
    const found = LINE.exec(line);
    if (found?.[1] !== name) return [];
    const labels = labelsOf(found[2] ?? '');
    const fits = Object.entries(match).every(([key, value]) => labels[key] === value);
    return fits ? [{ labels, value: numberOf(found[3] ?? '') }] : [];
  });

/** Sum of all series that match. */
export const totalOf = (page: string, name: string, match: Readonly<Record<string, string>> = {}): number =>
  samplesOf(page, name, match).reduce((sum, { value }) => sum + value, 0);

/** Sum of all histograms of this name that match. */
export const histogramOf = (
  page: string,
  name: string,
  match: Readonly<Record<string, string>> = {},
): Histogram => {
  const byBound = new Map<number, number>();
  for (const { labels, value } of samplesOf(page, `${name}_bucket`, match)) {
    const bound = numberOf(labels.le ?? '');
    byBound.set(bound, (byBound.get(bound) ?? 0) + value);
  }
  const entries = [...byBound].sort(([a], [b]) => a - b);
  return {
    bounds: entries.map(([bound]) => bound),
    counts: entries.map(([, count]) => count),
    sum: totalOf(page, `${name}_sum`, match),
    count: totalOf(page, `${name}_count`, match),
  };
};

const combine = (a: Histogram, b: Histogram, sign: 1 | -1): Histogram => {
  if (a.bounds.length === 0) return sign === 1 ? b : a;
  const countOf = (bound: number): number => b.counts[b.bounds.indexOf(bound)] ?? 0;
  return {
    bounds: a.bounds,
    counts: a.counts.map((count, i) => count + sign * countOf(a.bounds[i] ?? Number.NaN)),
    sum: a.sum + sign * b.sum,
    count: a.count + sign * b.count,
  };
};

export const NOTHING: Histogram = { bounds: [], counts: [], sum: 0, count: 0 };

/** The counts between two readings. */
export const since = (after: Histogram, before: Histogram): Histogram => combine(after, before, -1);

export const plus = (a: Histogram, b: Histogram): Histogram => combine(a, b, 1);

export const averageOf = ({ sum, count }: Histogram): number => sum / count;

/** The quantile as Prometheus's histogram_quantile computes it: linear within a bucket; NaN of an empty histogram. */
export const histogramQuantile = ({ bounds, counts }: Histogram, q: number): number => {
  const total = counts.at(-1) ?? 0;
  if (total === 0) return Number.NaN;
  const rank = q * total;
  const at = counts.findIndex((count) => count >= rank);
  const upper = bounds[at] ?? Number.NaN;
  const lower = at > 0 ? (bounds[at - 1] ?? 0) : 0;
  if (upper === Number.POSITIVE_INFINITY) return lower;
  const below = at > 0 ? (counts[at - 1] ?? 0) : 0;
  const within = (counts[at] ?? 0) - below;
  return within === 0 ? upper : lower + ((upper - lower) * (rank - below)) / within;
};

/** The share of observations up to this bound, which has to be one of the histogram's. */
export const shareWithin = ({ bounds, counts, count }: Histogram, bound: number): number =>
  (counts[bounds.indexOf(bound)] ?? Number.NaN) / count;
