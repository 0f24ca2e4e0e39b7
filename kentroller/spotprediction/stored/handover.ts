import { z } from 'zod';
import { CONFIG_MAPS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import type { Logger } from '../../../kube/component/log.ts';
import { messageOf } from '../../../kube/errors.ts';
import { getOrUndefined } from '../../../kube/ignore.ts';
import type { OfferingHistory } from '../evidence.ts';
import { MOST_FAMILIES, type PlacementScores } from '../placement/scores.ts';
import { MOST_MODELS, type Scoreboard } from '../score.ts';
import { PREDICTION_CONFIG_MAP } from './record.ts';

/** What predictions have learned, kept for the next leader beside the conditions of their sources. */

const KEY = 'learned.json';
const FIELD_MANAGER = 'castai-kentroller-spot-prediction-learned';
/** Least time between two saves. */
const SAVE_EVERY_MS = 60_000;
/** The API server refuses ConfigMaps above 1 MiB. */
const MAX_CHARACTERS = 600_000;
const MOST = 1_000;
const MOST_ZONES = 100;

/** A list whose newest entries come last; of too many they are what is read. */
const newest = <T extends z.ZodType>(entry: T, most = MOST) =>
  z.array(entry).transform((all) => all.slice(-most));

const name = z.string().max(300);
const time = z.number().nonnegative();
const count = z.number().nonnegative();
const faded = newest(z.tuple([name, count, time]));
const score = z.object({ hits: count, falseAlarms: count, missed: count, squares: count, windows: count });
const alert = z.object({
  model: name,
  machine: name,
  since: time,
  probability: z.number().min(0).max(1),
  alertAt: time,
});
const placement = z.object({
  family: name,
  types: z.array(name).min(1).max(MOST),
  askedAt: time,
  readAt: time.exactOptional(),
  scores: newest(z.tuple([name, z.number().min(1).max(10)]), MOST_ZONES),
});
const learned = z.object({
  history: z.object({
    interruptions: faded,
    counted: newest(z.tuple([name, time])),
    usualPrices: faded,
  }),
  scores: z.object({
    scores: newest(z.tuple([name, score]), MOST_MODELS),
    alerts: newest(alert),
    ended: newest(name),
  }),
  placement: newest(placement, MOST_FAMILIES).default([]),
});

export interface Handover {
  /** Takes over what an earlier leader has learned, once; what can't be read now is tried again. */
  take(signal: AbortSignal): Promise<void>;
  /** Saves what was learned where that is due. Never before it was taken over; a failure is only logged. */
  save(signal: AbortSignal): Promise<void>;
}

export const createHandover = (o: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly history: OfferingHistory;
  readonly scores: Scoreboard;
  readonly placement: PlacementScores;
  readonly log: Logger;
  readonly now: () => number;
}): Handover => {
  const { client, history, scores, placement: placements, log } = o;
  const metadata = { name: PREDICTION_CONFIG_MAP, namespace: o.namespace };
  let isTaken = false;
  let saved = '';
  let savedAt = Number.NEGATIVE_INFINITY;
  let said = '';
  const warn = (reason: string, text: string): void => {
    if (said !== reason) log.warn({ configMap: PREDICTION_CONFIG_MAP, reason }, text);
    said = reason;
  };

  const restore = (text: string): void => {
    try {
      const all = learned.parse(JSON.parse(text));
      history.restore(all.history);
      scores.restore(all.scores);
      placements.restore(all.placement, o.now());
      log.info(
        { models: all.scores.scores.length },
        'predictions go on from what an earlier leader has learned',
      );
    } catch (error) {
      warn(messageOf(error), 'what an earlier leader has learned cannot be parsed, predictions begin anew');
    }
  };

  return {
    take: async (signal) => {
      if (isTaken) return;
      try {
        const map = await getOrUndefined(client.get(CONFIG_MAPS, metadata, { signal }));
        const text = map?.data?.[KEY];
        isTaken = true;
        if (text !== undefined) restore(text);
      } catch (error) {
        if (!signal.aborted) warn(messageOf(error), 'what an earlier leader has learned could not be read');
      }
    },
    save: async (signal) => {
      if (!isTaken || o.now() - savedAt < SAVE_EVERY_MS) return;
      const text = JSON.stringify({
        history: history.state(),
        scores: scores.state(),
        placement: placements.state(),
      });
      if (text === saved) return;
      savedAt = o.now();
      try {
        if (text.length > MAX_CHARACTERS)
          throw new Error(`it takes ${text.length} characters, more than ${MAX_CHARACTERS}`);
        const body = { metadata, data: { [KEY]: text } };
        await client.apply(CONFIG_MAPS, body, { fieldManager: FIELD_MANAGER, force: true, signal });
        saved = text;
      } catch (error) {
        if (!signal.aborted) warn(messageOf(error), 'what predictions have learned was not saved');
      }
    },
  };
};
