import type { Catalogue } from '../../planner/model/catalogue.ts';
import { provision, type Unplaced } from '../../planner/provision.ts';
import { makeSnapshot } from '../../planner/testing/builders.ts';
import type { BenchClock } from './clock.ts';
import type { Instance } from './instances.ts';
import type { Peer, PeerAnswer } from './karpenter.ts';
import { POOL } from './types.ts';

/** The result of one instance. Prices in USD per hour, times in milliseconds, gaps in percent. */
export interface Row {
  readonly name: string;
  readonly isRuled: boolean;
  readonly ours: number;
  readonly ms: number;
  readonly gap: number;
  readonly unplaced: number;
  /** Our first answer: what a time budget of 0 gives. */
  readonly first: number;
  readonly firstMs: number;
  /** Time until our answer costs no more than Karpenter's; undefined when it never does. */
  readonly evenMs: number | undefined;
  readonly peer: number;
  readonly peerMs: number;
  readonly peerUnplaced: number;
}

interface Solved {
  readonly cost: number;
  readonly ms: number;
  readonly gap: number;
  readonly unplaced: readonly Unplaced[];
}

export const hourly = (monthly: string | undefined): number => Number(monthly ?? 0) / 730;

/** Time budgets in milliseconds that are tried until an answer is as cheap as Karpenter's. */
const STEPS = [20, 50, 100, 200, 500, 1000];

/** How often first answers are timed, and Karpenter's of instances up to SMALL pods; the median counts. */
const REPEATS = 5;
const SMALL = 1000;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Plans for an instance many times, so that the code is compiled: a planner runs for days. */
export const warmUp = (instance: Instance, catalogue: Catalogue, times: number): void => {
  const snapshot = makeSnapshot([], instance.pods, { nodePools: [POOL] });
  for (let time = 0; time < times; time += 1) {
    provision({
      snapshot,
      catalogue,
      now: 0,
      seed: 1,
      clock: performance.now.bind(performance),
      timeBudgetMs: 0,
      planName: 'bench',
    });
  }
};

/** Solves one instance with our planner, then with Karpenter's scheduler. */
export const race = async (
  instance: Instance,
  o: {
    readonly catalogue: Catalogue;
    readonly peer: Peer;
    readonly budget: number;
    readonly clock: BenchClock;
  },
): Promise<Row> => {
  const snapshot = makeSnapshot([], instance.pods, { nodePools: [POOL] });
  const solve = (timeBudgetMs: number): Solved => {
    const started = o.clock.now();
    const { plan, unplaced } = provision({
      snapshot,
      catalogue: o.catalogue,
      now: 0,
      seed: 1,
      clock: o.clock.now,
      timeBudgetMs,
      planName: 'bench',
    });
    const cost = (plan?.savings.greenNodes ?? []).reduce((sum, node) => sum + Number(node.priceHourly), 0);
    return { cost, ms: o.clock.now() - started, gap: Number(plan?.savings.gapPercent), unplaced };
  };
  const firsts = Array.from({ length: REPEATS }, () => solve(0));
  const first = { ...(firsts[0] as Solved), ms: median(firsts.map(({ ms }) => ms)) };
  const best = solve(o.budget);
  const peers: PeerAnswer[] = [];
  const asked = instance.pods.length <= SMALL ? REPEATS : 1;
  while (peers.length < asked) peers.push(await o.peer.solve(instance.pods, POOL));
  const peer = peers[0] as PeerAnswer;
  if (peer.error) throw new Error(`${instance.name}: ${peer.error}`);
  const isEven = (answer: Solved): boolean =>
    answer.cost <= peer.hourly + 1e-6 && answer.unplaced.length <= peer.unplaced;
  let even = isEven(first) ? first : undefined;
  for (const step of STEPS.filter((budget) => budget < o.budget)) {
    if (even) break;
    const answer = solve(step);
    if (isEven(answer)) even = answer;
  }
  if (!even && isEven(best)) even = best;
  return {
    name: instance.name,
    isRuled: instance.isRuled,
    ours: best.cost,
    ms: best.ms,
    gap: best.gap,
    unplaced: best.unplaced.length,
    first: first.cost,
    firstMs: first.ms,
    evenMs: even?.ms,
    peer: peer.hourly,
    peerMs: median(
      peers.map((answer) => (o.clock.name === 'cpu' ? answer.cpuMilliseconds : answer.milliseconds)),
    ),
    peerUnplaced: peer.unplaced,
  };
};

export const HEADER =
  'instance | Karpenter $/h | ms | ours $/h | ms | first $/h | ms | ms until as cheap | gap % | unplaced ours/Karpenter';

export const lineOf = (row: Row): string =>
  [
    row.name,
    row.peer.toFixed(3),
    row.peerMs.toFixed(0),
    row.ours.toFixed(3),
    row.ms.toFixed(0),
    row.first.toFixed(3),
    row.firstMs.toFixed(0),
    row.evenMs?.toFixed(0) ?? 'never',
    row.gap,
    `${row.unplaced}/${row.peerUnplaced}`,
  ].join(' | ');

const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
};

/** The rows of one kind, summed up in a sentence. */
export const summaryOf = (title: string, rows: readonly Row[]): string => {
  const ratios = rows.map((row) => row.ours / row.peer);
  const notDearer = ratios.filter((ratio) => ratio <= 1 + 1e-6).length;
  const gaps = rows.map((row) => row.gap);
  const faster = rows.map((row) => row.peerMs / (row.evenMs ?? Number.POSITIVE_INFINITY));
  const off = (ratio: number): string =>
    `${ratio >= 1 ? '+' : '−'}${Math.abs(100 * (ratio - 1)).toFixed(1)} %`;
  return (
    `${title}: ${rows.length} instances; cheaper or equal on ${((100 * notDearer) / rows.length).toFixed(1)} %; ` +
    `cost against Karpenter median ${off(quantile(ratios, 0.5))}, worst ${off(Math.max(...ratios))}; ` +
    `times faster at equal cost median ${quantile(faster, 0.5).toFixed(0)}, least ${Math.min(...faster).toFixed(1)}; ` +
    `gap to bound median ${quantile(gaps, 0.5).toFixed(1)} %, p95 ${quantile(gaps, 0.95).toFixed(1)} %`
  );
};
