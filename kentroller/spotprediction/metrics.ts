import type { Counter, Gauge, Registry } from 'prom-client';
import { counter, gauge } from '../../kube/component/metrics.ts';

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
