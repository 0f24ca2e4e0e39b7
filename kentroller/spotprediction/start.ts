import type { Registry } from 'prom-client';
import type { Features } from '../../api/features.ts';
import type { Cloud } from '../../cloud/cloud.ts';
import type { Audit } from '../audit/trail.ts';
import type { Options } from '../options.ts';
import type { PredictionOptions } from './cycle.ts';
import { OfferingHistory } from './evidence.ts';
import { measuredScoreboard, predictionMetrics, queueMessages } from './metrics.ts';
import { placementRequests, registerScores } from './placement/metrics.ts';
import type { PlacementScores } from './placement/scores.ts';
import { createPlacementSource } from './placement/source.ts';
import { predictContinuously } from './run.ts';
import { type PredictionSettings, predictionSettings } from './settings.ts';
import { Listener, type PredictionSource, silent } from './source.ts';
import { createInstanceFinder, noteSignal } from './sources/instances.ts';
import { createKarpenterEvents } from './sources/karpenterevents.ts';
import { createMlApi } from './sources/mlapi.ts';
import { createQueueSource } from './sources/queue.ts';
import { createHandover } from './stored/handover.ts';
import { createPredictionRecord } from './stored/record.ts';

/** Spot interruption prediction with all its sources, as the options have them, until the signal aborts. */
export const predictInterruptions = (
  o: Omit<PredictionOptions, 'listeners' | 'history' | 'scores' | 'scoreOf' | 'record' | 'metrics'> & {
    readonly options: Options;
    readonly features: () => Features;
    readonly audit: Audit;
    readonly registry: Registry;
    readonly cloud: Pick<Cloud, 'queue' | 'placementScores'>;
    readonly placement: PlacementScores;
  },
): Promise<void> => {
  const { client, log, options, clock, placement } = o;
  const settings = (): PredictionSettings => predictionSettings(options, o.features());
  let hasNews = false;
  const onNews = (): void => {
    hasNews = true;
  };
  const events = createKarpenterEvents({ client, log, onEvent: onNews });
  const queueUrl = options.spotInterruptionPredictionQueueUrl;
  const queue = queueUrl ? o.cloud.queue?.(queueUrl) : undefined;
  const notices =
    queue &&
    createQueueSource({
      queue,
      whereIs: createInstanceFinder(o.caches, clock.now),
      note: (each) => noteSignal(o, each),
      onSignal: onNews,
      messages: queueMessages(o.registry),
      log,
      now: clock.now,
    });
  const withoutQueue: PredictionSource = {
    name: 'interruption-queue',
    poll: async () =>
      silent(
        'NotConfigured',
        queueUrl
          ? 'Queues are read on AWS only, with prices from EC2: INSTANCE_TYPES_FILE_PATH must not be set.'
          : "Set SPOT_INTERRUPTION_PREDICTION_QUEUE_URL to a queue of EC2's notices that nobody else reads.",
      ),
  };
  const ownUrl = options.spotInterruptionPredictionApiUrl;
  const mlApi = createMlApi({
    url: ownUrl || options.apiUrl,
    clusterId: options.clusterId,
    tokenFile: options.spotInterruptionPredictionTokenFile,
    // The key of the audit API is no other server's business.
    token: ownUrl ? '' : options.apiKey,
  });
  const mostFamilies = (): number => settings().placementScoreFamilies;
  const scored = createPlacementSource({
    placementScores: o.cloud.placementScores,
    catalogue: o.catalogue,
    scores: placement,
    most: mostFamilies,
    requests: placementRequests(o.registry),
    now: clock.now,
  });
  registerScores(o.registry, placement, () => settings().enabled && mostFamilies() > 0, clock.now);
  const history = new OfferingHistory();
  const scores = measuredScoreboard(o.registry);
  const place = { client, namespace: options.podNamespace, log, now: clock.now };
  return predictContinuously({
    ...o,
    listeners: [events, notices ?? withoutQueue, mlApi, scored].map((source) => new Listener(source)),
    history,
    scores,
    scoreOf: (offering) => (mostFamilies() > 0 ? placement.scoreOf(offering, clock.now()) : undefined),
    handover: createHandover({ ...place, history, scores, placement }),
    record: createPredictionRecord(place),
    metrics: predictionMetrics(o.registry),
    settings,
    open: (signal) => {
      events.open(signal);
      notices?.open(signal);
      scored.open();
    },
    takeNews: () => {
      const had = hasNews;
      hasNews = false;
      return had;
    },
  });
};
