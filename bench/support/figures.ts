/** The value below which a share q of the values lies, interpolated between neighbours; NaN of nothing. */
export const quantile = (values: readonly number[], q: number): number => {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
};

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Our figure divided by the peer's, as the median of the pairs of all rounds, so that a disturbed round does not count.
 * Throws when the rounds do not pair up.
 */
export const pairedRatio = (ours: readonly number[], peers: readonly number[]): number => {
  if (ours.length !== peers.length)
    throw new Error(`${ours.length} rounds do not pair with ${peers.length} of the peer`);
  return median(ours.map((value, i) => value / (peers[i] ?? Number.NaN)));
};

/** Events per second between the first and the last of these times, in milliseconds; the first event is the start. */
export const rateOf = (times: readonly number[]): number => {
  const first = Math.min(...times);
  const last = Math.max(...times);
  return ((times.length - 1) * 1000) / (last - first);
};
