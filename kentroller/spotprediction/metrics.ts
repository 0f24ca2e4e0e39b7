import type { Counter, Gauge, Registry } from 'prom-client';
import { atScrape, counter, gauge, histogram } from '../../kube/component/metrics.ts';
import { OUTCOMES, Scoreboard, summaryOf } from './score.ts';

export interface PredictionMetrics {
  readonly enabled: Gauge;
  readonly atRisk: Gauge;
  readonly replaced: Counter;
  readonly deferred: Gauge;
  readonly sources: Gauge;
}

export const predictionMetrics = (registry: Registry): PredictionMetrics => {
  const enabled = gauge(
    registry,
    'kentroller_spot_prediction_enabled',
    '1 while spot interruption prediction is in this mode: replace, or shadow, which moves nothing',
    ['mode'],
  );
  for (const mode of ['replace', 'shadow']) enabled.set({ mode }, 0);
  const atRisk = gauge(
    registry,
    'kentroller_spot_nodes_at_risk',
    'Spot nodes that are predicted to be taken back',
    [],
  );
  const deferred = gauge(
    registry,
    'kentroller_spot_replacements_deferred',
    'Spot nodes at risk that caps, cooldowns or a halt keep from being replaced now',
    [],
  );
  const replaced = counter(
    registry,
    'kentroller_spot_replacements_total',
    'Spot nodes at risk that a claim was made for',
    [],
  );
  const sources = gauge(
    registry,
    'kentroller_spot_prediction_source_ready',
    '1 while a source of predictions can be heard',
    ['source'],
  );
  atRisk.set(0);
  deferred.set(0);
  replaced.inc(0);
  return { enabled, atRisk, replaced, deferred, sources };
};

/** Messages of the interruption queue by what became of them. */
export const queueMessages = (registry: Registry): Counter =>
  counter(
    registry,
    'kentroller_interruption_messages_total',
    'Messages of the interruption queue by fate: acted, known, foreign, broken; waiting ones come again',
    ['fate'],
  );

/** Up to the horizon. */
const LEAD_SECONDS = [30, 60, 120, 300, 600, 900, 1_200, 1_500, 1_800];

/** A scoreboard whose scores are metrics. */
export const measuredScoreboard = (registry: Registry): Scoreboard => {
  const outcomes = counter(
    registry,
    'kentroller_spot_prediction_outcomes_total',
    'Alerts and interruptions by model and outcome: hit, false-alarm, missed, or gone before it could be told',
    ['model', 'outcome'],
  );
  const leads = histogram(
    registry,
    'kentroller_spot_prediction_lead_seconds',
    'Seconds from the alert of a model to the interruption',
    ['model'],
    LEAD_SECONDS,
  );
  const board = new Scoreboard({
    outcome: (model, outcome) => {
      for (const each of OUTCOMES) outcomes.inc({ model, outcome: each }, each === outcome ? 1 : 0);
    },
    lead: (model, seconds) => leads.observe({ model }, seconds),
  });
  const scored = (metric: Gauge, of: keyof ReturnType<typeof summaryOf>): void => {
    atScrape(metric, () => {
      for (const [model, score] of board.scores()) {
        const value = summaryOf(score)[of];
        if (value !== undefined) metric.set({ model }, value);
      }
    });
  };
  const precision = gauge(
    registry,
    'kentroller_spot_prediction_precision',
    'Share of alerts that an interruption came after',
    ['model'],
  );
  const recall = gauge(
    registry,
    'kentroller_spot_prediction_recall',
    'Share of interruptions that an alert came before',
    ['model'],
  );
  const brier = gauge(
    registry,
    'kentroller_spot_prediction_brier_score',
    'Mean squared error of probabilities, one a node and half hour; 0 is best',
    ['model'],
  );
  scored(precision, 'precision');
  scored(recall, 'recall');
  scored(brier, 'brier');
  return board;
};
