import { setTimeout as sleep } from 'node:timers/promises';
import { PODS } from '../../api/resources.ts';
import { dropPods, forEach, metricsPage } from '../support/cluster.ts';
import { mean, median, pairedRatio, quantile } from '../support/figures.ts';
import * as prometheus from '../support/prometheus.ts';
import { formatNumber, formatRatio, type Row } from '../support/table.ts';
import { crowd, type Load, paced } from './load.ts';
import type { Scene, Side } from './scene.ts';

/** Pods created through the API server: the time that the webhook adds, by the API server's own clock. */

const DURATION = 'apiserver_admission_webhook_admission_duration_seconds';
const REQUESTS = 'apiserver_admission_webhook_request_total';
// Time for the webhook to hear of the plan's end and for the API server to hear of the new match condition.
const PLAN_ENDS_MS = 3_000;

interface Round {
  /** The API server's measurement of the webhook. */
  readonly admission: prometheus.Histogram;
  /** Milliseconds of each creation at its client. */
  readonly creations: readonly number[];
  /** CPU milliseconds of the webhook per creation; ours includes the pinner that it asks. */
  readonly cpu: number;
}

type Rounds = ReadonlyMap<Side['name'], readonly Round[]>;

const look = async ({ bed }: Scene, side: Side): Promise<prometheus.Histogram> => {
  const match = { name: side.webhook, operation: 'CREATE' };
  return prometheus.histogramOf(await metricsPage(bed.client), DURATION, match);
};

const cpuSeconds = ({ webhook, pinner, echo }: Scene, { name }: Side): number => {
  if (name === 'none') return 0;
  return name === 'echo' ? echo.cpuSeconds() : webhook.cpuSeconds() + pinner.child.cpuSeconds();
};

const runRound = async (scene: Scene, side: Side, load: Load, name: string): Promise<Round> => {
  const { client } = scene.bed;
  const before = await look(scene, side);
  const cpuBefore = cpuSeconds(scene, side);
  const creations: number[] = [];
  await load(async (i) => {
    const started = performance.now();
    await client.create(PODS, side.podOf(`${name}-${i}`, i));
    creations.push(performance.now() - started);
  });
  const cpu = (1000 * (cpuSeconds(scene, side) - cpuBefore)) / creations.length;
  const admission = prometheus.since(await look(scene, side), before);
  await dropPods(client, side.namespace);
  return { admission, creations, cpu };
};

/** One round that does not count, then the rounds, the sides taking turns. */
const takeTurns = async (
  scene: Scene,
  sides: readonly Side[],
  load: Load,
  o: { readonly name: string; readonly rounds: number },
): Promise<Rounds> => {
  const found = new Map<Side['name'], Round[]>(sides.map(({ name }) => [name, []]));
  for (let at = 0; at <= o.rounds; at++) {
    for (const side of sides) {
      const round = await runRound(scene, side, load, `${o.name}-${at}`);
      if (at > 0) found.get(side.name)?.push(round);
    }
  }
  return found;
};

const sumOf = (rounds: readonly Round[]): prometheus.Histogram =>
  rounds.reduce((sum, { admission }) => prometheus.plus(sum, admission), prometheus.NOTHING);

const averagesOf = (rounds: readonly Round[]): readonly number[] =>
  rounds.map(({ admission }) => 1000 * prometheus.averageOf(admission));

const clientRow = (what: string, found: Rounds, q: number): Row => {
  const of = (name: Side['name']): readonly number[] =>
    (found.get(name) ?? []).map(({ creations }) => quantile(creations, q));
  return {
    what: `a pod's creation ${what}, as its client sees it, p${100 * q}: ms`,
    ours: formatNumber(median(of('ours'))),
    peer: `${formatNumber(median(of('none')))} no webhook, ${formatNumber(median(of('echo')))} echo`,
    ratio: formatRatio(pairedRatio(of('ours'), of('none'))),
    reach: '',
    isMet: undefined,
  };
};

const cpuRow = (what: string, mine: readonly Round[], peers: readonly Round[]): Row => {
  const of = (rounds: readonly Round[]): readonly number[] => rounds.map(({ cpu }) => cpu);
  return {
    what: `CPU of webhook and pinner a creation ${what}: ms`,
    ours: formatNumber(median(of(mine))),
    peer: `${formatNumber(median(of(peers)))} fastify echo`,
    ratio: formatRatio(pairedRatio(of(mine), of(peers))),
    reach: '',
    isMet: undefined,
  };
};

export const paceRows = async (
  scene: Scene,
  o: { readonly rate: number; readonly seconds: number; readonly rounds: number },
): Promise<readonly Row[]> => {
  const load = paced(o.rate, o.seconds);
  const found = await takeTurns(scene, scene.sides, load, { name: 'pace', rounds: o.rounds });
  const [mine, peers] = [found.get('ours') ?? [], found.get('echo') ?? []];
  const [ours, echo] = [sumOf(mine), sumOf(peers)];
  const p99 = (histogram: prometheus.Histogram) => 1000 * prometheus.histogramQuantile(histogram, 0.99);
  const within = (histogram: prometheus.Histogram) => 100 * prometheus.shareWithin(histogram, 0.005);
  const average = (histogram: prometheus.Histogram) => 1000 * prometheus.averageOf(histogram);
  const ratio = p99(ours) / p99(echo);
  const what = `at ${o.rate} creations a second, a plan running`;
  const plain = { reach: '', isMet: undefined };
  return [
    {
      what: `admission p99 by the API server ${what}: ms`,
      ours: formatNumber(p99(ours)),
      peer: `${formatNumber(p99(echo))} fastify echo`,
      ratio: formatRatio(ratio),
      reach: '≤ 5 ms, ≤ 2 ×',
      isMet: p99(ours) <= 5 && ratio <= 2,
    },
    {
      what: `admissions within 5 ms ${what}: %`,
      ours: formatNumber(within(ours)),
      peer: `${formatNumber(within(echo))} fastify echo`,
      ratio: '',
      ...plain,
    },
    {
      what: `admission average by the API server ${what}: ms`,
      ours: formatNumber(average(ours)),
      peer: `${formatNumber(average(echo))} fastify echo`,
      ratio: formatRatio(pairedRatio(averagesOf(mine), averagesOf(peers))),
      ...plain,
    },
    cpuRow(what, mine, peers),
    clientRow(what, found, 0.5),
    clientRow(what, found, 0.99),
  ];
};

export const crowdRows = async (
  scene: Scene,
  o: { readonly creators: number; readonly pods: number; readonly rounds: number },
): Promise<readonly Row[]> => {
  const [, echo, ours] = scene.sides;
  const load = crowd(o.creators, o.pods);
  const found = await takeTurns(scene, [echo, ours], load, { name: 'crowd', rounds: o.rounds });
  const [mine, peers] = [found.get('ours') ?? [], found.get('echo') ?? []];
  const average = median(averagesOf(mine));
  const seen = (rounds: readonly Round[]) => rounds.map(({ creations }) => mean(creations));
  return [
    {
      what: `admission average by the API server with ${o.creators} concurrent creators: ms`,
      ours: formatNumber(average),
      peer: `${formatNumber(median(averagesOf(peers)))} fastify echo`,
      ratio: formatRatio(pairedRatio(averagesOf(mine), averagesOf(peers))),
      reach: '≤ 4 ms',
      isMet: average <= 4,
    },
    {
      what: `a pod's creation with ${o.creators} concurrent creators, as its client sees it, mean: ms`,
      ours: formatNumber(median(seen(mine))),
      peer: `${formatNumber(median(seen(peers)))} fastify echo`,
      ratio: formatRatio(pairedRatio(seen(mine), seen(peers))),
      reach: '',
      isMet: undefined,
    },
  ];
};

/** How often the API server calls our webhook while no plan runs. */
export const idleRows = async (scene: Scene, o: { readonly pods: number }): Promise<readonly Row[]> => {
  const { bed, pinner, sides, setPlan } = scene;
  const [, , ours] = sides;
  const calls = async (): Promise<number> =>
    prometheus.totalOf(await metricsPage(bed.client), REQUESTS, { name: ours.webhook });
  await setPlan('Done');
  for (const id of [...pinner.autoscaler.intents.keys()]) pinner.autoscaler.remove(id);
  await sleep(PLAN_ENDS_MS);
  const before = await calls();
  const create = (i: number) => bed.client.create(PODS, ours.podOf(`idle-${i}`, i));
  await forEach(Array.from({ length: o.pods }).keys(), create);
  const made = (await calls()) - before;
  await dropPods(bed.client, ours.namespace);
  return [
    {
      what: `calls of the webhook for ${o.pods} pods while no plan runs`,
      ours: String(made),
      peer: '',
      ratio: '',
      reach: '0',
      isMet: made === 0,
    },
  ];
};
