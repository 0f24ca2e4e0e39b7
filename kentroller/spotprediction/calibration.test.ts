import t from 'tap';
import { cameTrue, fitWeights, replay, type Sample } from '../testing/spotreplay.ts';
import { interruptionProbability, WEIGHTS } from './model.ts';

/** The weights of the model, and its calibration on replays that they were not fitted on. */

t.setTimeout(600_000);

const OPTIONS = { hours: 100, offerings: 20 };
const probabilityOf = ({ evidence, at }: Sample): number => interruptionProbability(evidence, at);
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

t.test('the weights are those that a fit on seeds 1 and 2 gives', { timeout: 600_000 }, async (t) => {
  const fitted = fitWeights([1, 2].flatMap((seed) => replay(seed, { ...OPTIONS, everyMinutes: 10 })));
  for (const name of ['bias', 'recommendation', 'interruptions', 'refusals', 'priceRise'] as const) {
    t.ok(Math.abs(fitted[name] - WEIGHTS[name]) < 0.05, `${name}: ${fitted[name]} and ${WEIGHTS[name]}`);
  }
});

t.test('on seeds 11 and 12, what is said to happen so often does', { timeout: 600_000 }, async (t) => {
  const samples = [11, 12].flatMap((seed) => replay(seed, { ...OPTIONS, everyMinutes: 30 }));
  const outcomes = samples.map((sample) => (cameTrue(sample) ? 1 : 0));
  const base = mean(outcomes);
  const brier = mean(samples.map((sample, n) => (probabilityOf(sample) - (outcomes[n] ?? 0)) ** 2));
  const ofBase = base * (1 - base);
  const bins = Map.groupBy(samples, (sample) => Math.floor(probabilityOf(sample) * 5));
  let error = 0;
  for (const [bin, all] of [...bins].toSorted(([a], [b]) => a - b)) {
    const said = mean(all.map(probabilityOf));
    const came = mean(all.map((sample) => (cameTrue(sample) ? 1 : 0)));
    error += (Math.abs(said - came) * all.length) / samples.length;
    t.comment(
      `${all.length} between ${bin * 20} % and ${bin * 20 + 20} %: said ${said.toFixed(3)}, came ${came.toFixed(3)}`,
    );
    t.ok(Math.abs(said - came) < 0.1, `from ${bin * 20} %`);
  }
  t.comment(
    `base rate ${base.toFixed(4)}, Brier ${brier.toFixed(4)} of ${ofBase.toFixed(4)}, calibration error ${error.toFixed(4)}`,
  );
  t.ok(error < 0.01, `expected calibration error ${error}`);
  t.ok(brier < 0.75 * ofBase, 'better than the base rate by a quarter');
  const alerts = samples.filter((sample) => probabilityOf(sample) >= 0.5);
  const precision = alerts.filter(cameTrue).length / alerts.length;
  t.ok(precision > 0.5, `precision ${precision} at the threshold`);
});

t.test(
  'with scores, that tell of the market or nothing, it stays calibrated',
  { timeout: 600_000 },
  async (t) => {
    for (const placementScores of ['telling', 'noise'] as const) {
      const samples = [11, 12].flatMap((seed) =>
        replay(seed, { ...OPTIONS, everyMinutes: 30, placementScores }),
      );
      const withoutScore = ({ evidence: { placementScore: _, ...evidence }, at }: Sample): number =>
        interruptionProbability(evidence, at);
      const brierOf = (of: (sample: Sample) => number): number =>
        mean(samples.map((sample) => (of(sample) - (cameTrue(sample) ? 1 : 0)) ** 2));
      const [scored, plain] = [brierOf(probabilityOf), brierOf(withoutScore)];
      let error = 0;
      for (const [, all] of Map.groupBy(samples, (sample) => Math.floor(probabilityOf(sample) * 5))) {
        const came = mean(all.map((sample) => (cameTrue(sample) ? 1 : 0)));
        error += (Math.abs(mean(all.map(probabilityOf)) - came) * all.length) / samples.length;
      }
      const alerts = (of: (sample: Sample) => number): number =>
        samples.filter((each) => of(each) >= 0.5).length;
      t.comment(
        `${placementScores}: Brier ${scored.toFixed(5)}, without ${plain.toFixed(5)}; calibration error ${error.toFixed(4)}; ${alerts(probabilityOf)} alerts, without ${alerts(withoutScore)}`,
      );
      t.ok(error < 0.01, `expected calibration error ${error}`);
      t.ok(scored < plain * 1.005, 'no worse by more than half a percent, whatever scores are worth');
      t.equal(alerts(probabilityOf), alerts(withoutScore), 'nobody is at risk because of a score');
    }
  },
);

t.test('a score triples the odds at most, and alone puts no node at risk', async (t) => {
  const nothing = { heard: {}, interruptions: 0, refusals: 0, priceRise: 0 };
  const at = (placementScore?: number): number =>
    interruptionProbability({ ...nothing, ...(placementScore !== undefined && { placementScore }) }, 0);
  const odds = (probability: number): number => probability / (1 - probability);
  t.ok(at(1) < 0.02, `the lowest of all: ${at(1)}`);
  t.ok(odds(at(1)) / odds(at()) < 3.1);
  t.ok(at(1) > at(2) && at(2) > at(3) && at(3) > at(4));
  for (const score of [4, 7, 10]) t.equal(at(score), at(), `${score} is as good as none`);
  const scarce = { ...nothing, refusals: 3 };
  t.equal(
    interruptionProbability({ ...scarce, placementScore: 1 }, 0),
    interruptionProbability(scarce, 0),
    'what is heard of the market already is not counted twice',
  );
  for (const score of [0, -5, 100]) t.ok(at(score) <= at(1) && at(score) >= at(), `${score} stays in bounds`);
});

t.test('a fresh recommendation alone is over the threshold, and one of half an hour is not', async (t) => {
  const evidence = (minutes: number) => ({
    heard: { 'rebalance-recommendation': -minutes * 60_000 },
    interruptions: 0,
    refusals: 0,
    priceRise: 0,
  });
  t.ok(interruptionProbability(evidence(0), 0) > 0.5);
  t.ok(interruptionProbability(evidence(30), 0) < 0.1);
  t.ok(
    interruptionProbability(
      { heard: { interruption: 0 }, interruptions: 0, refusals: 0, priceRise: 0 },
      60_000,
    ) > 0.9,
  );
  const nothing = { heard: {}, interruptions: 0, refusals: 0, priceRise: 0 };
  for (const name of ['interruptions', 'refusals', 'priceRise'] as const) {
    t.ok(interruptionProbability({ ...nothing, [name]: 1 }, 0) > interruptionProbability(nothing, 0), name);
  }
});
