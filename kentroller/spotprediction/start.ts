import type { Registry } from 'prom-client';
import type { Features } from '../../api/features.ts';
import type { Audit } from '../audit/trail.ts';
import type { Options } from '../options.ts';
import type { PredictionOptions } from './cycle.ts';
import { OfferingHistory } from './evidence.ts';
import { predictionMetrics } from './metrics.ts';
import { createPredictionRecord } from './record.ts';
import { predictContinuously } from './run.ts';
import { predictionSettings } from './settings.ts';
import { Listener } from './source.ts';
import { createKarpenterEvents } from './sources/karpenterevents.ts';
import { createMlApi } from './sources/mlapi.ts';

/** Spot interruption prediction with all its sources, as the options have them, until the signal aborts. */
export const predictInterruptions = (
  o: Omit<PredictionOptions, 'listeners' | 'history' | 'record' | 'metrics'> & {
    readonly options: Options;
    readonly features: () => Features;
    readonly audit: Audit;
    readonly registry: Registry;
  },
): Promise<void> => {
  const { client, log, options, clock } = o;
  let hasNews = false;
  const events = createKarpenterEvents({
    client,
    log,
    onEvent: () => {
      hasNews = true;
    },
  });
  const ownUrl = options.spotInterruptionPredictionApiUrl;
  const mlApi = createMlApi({
    url: ownUrl || options.apiUrl,
    clusterId: options.clusterId,
    tokenFile: options.spotInterruptionPredictionTokenFile,
    // The key of the audit API is no other server's business.
    token: ownUrl ? '' : options.apiKey,
  });
  return predictContinuously({
    ...o,
    listeners: [events, mlApi].map((source) => new Listener(source)),
    history: new OfferingHistory(),
    record: createPredictionRecord({ client, namespace: options.podNamespace, log, now: clock.now }),
    metrics: predictionMetrics(o.registry),
    settings: () => predictionSettings(options, o.features()),
    open: (signal) => events.open(signal),
    takeNews: () => {
      const had = hasNews;
      hasNews = false;
      return had;
    },
  });
};
