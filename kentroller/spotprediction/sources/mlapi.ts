import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import {
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  ZONE,
  ZONE_ID,
} from '../../../api/labels.ts';
import { printable } from '../../../api/text/printable.ts';
import { isHeaderToken } from '../../../kube/component/secrettext.ts';
import { messageOf } from '../../../kube/errors.ts';
import { originOf, readBounded } from '../../../kube/foreignanswer.ts';
import type { Prediction } from '../signal.ts';
import { type PredictionSource, type SourceAnswer, silent, type WatchedNode } from '../source.ts';

/** The ML API, as kentroller/spotprediction/sources/mlapi.openapi.yaml describes it: one POST for up to 500 nodes. */

const TIMEOUT_MS = 10_000;
const PER_CALL = 500;
/** Fifty times an answer for so many nodes with names of usual length, ten times one with the longest. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;
const MAX_WAIT_MS = 10 * 60_000;
const FIRST_WAIT_MS = 5_000;
const MAX_REASON = 200;

const answerSchema = z.object({
  predictions: z
    .array(z.object({ node: z.string().max(253), probability: z.number().min(0).max(1) }))
    .max(PER_CALL),
});

/** Why an answer is not used, and how long the API wants to be left alone. */
class Unusable extends Error {
  override readonly name = 'Unusable';
  readonly afterMs: number;

  constructor(message: string, afterMs = 0) {
    super(message);
    this.afterMs = afterMs;
  }
}

const questionOf = ({ node, claim }: WatchedNode) => {
  const { name, labels = {}, creationTimestamp } = node.metadata;
  return {
    name,
    providerId: node.spec?.providerID ?? '',
    nodeClaim: claim.metadata.name,
    nodePool: labels[KARPENTER_NODEPOOL] ?? '',
    instanceType: labels[INSTANCE_TYPE] ?? '',
    capacityType: labels[KARPENTER_CAPACITY_TYPE] ?? '',
    zone: labels[ZONE] ?? '',
    ...(labels[ZONE_ID] && { zoneId: labels[ZONE_ID] }),
    ...(creationTimestamp && { createdAt: creationTimestamp }),
  };
};

export interface MlApiOptions {
  readonly url: string;
  readonly clusterId: string;
  /** A file with the token, which is read at each request. */
  readonly tokenFile: string;
  /** The token where there is no file. */
  readonly token: string;
  readonly timeoutMs?: number;
}

/** Asks the ML API for the model that the settings name. It leaves an API that fails alone for longer and longer. */
export const createMlApi = (o: MlApiOptions): PredictionSource => {
  const url = `${o.url.replace(/\/+$/, '')}/v1/clusters/${encodeURIComponent(o.clusterId)}/spot-interruption-predictions`;
  let failures = 0;
  let notBefore = 0;
  let failure = '';

  const tokenNow = async (): Promise<string> => {
    if (!o.tokenFile) return o.token;
    const token = (await readFile(o.tokenFile, 'utf8')).trim();
    if (!isHeaderToken(token)) throw new Unusable(`${o.tokenFile} holds no token`);
    return token;
  };

  const ask = async (
    model: string,
    nodes: readonly WatchedNode[],
    signal: AbortSignal,
  ): Promise<readonly Prediction[]> => {
    const token = await tokenNow();
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ model, nodes: nodes.map(questionOf) }),
      // A redirect would take the token along.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(o.timeoutMs ?? TIMEOUT_MS)]),
    });
    const { status, headers } = response;
    if (!response.ok) {
      await response.body?.cancel();
      const seconds = Number(headers.get('retry-after'));
      const where =
        status >= 300 && status < 400
          ? ` to ${originOf(headers)}, which is not followed since it would take the token along`
          : '';
      throw new Unusable(`HTTP ${status}${where}`, seconds > 0 ? seconds * 1000 : 0);
    }
    const text = await readBounded(response, MAX_ANSWER_BYTES);
    if (text === undefined) throw new Unusable(`its answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw new Unusable('its answer is no JSON');
    }
    const { data, error } = answerSchema.safeParse(json);
    if (!data)
      throw new Unusable(
        `its answer is not as agreed: ${error.issues[0]?.path.join('.')}: ${error.issues[0]?.message}`,
      );
    const asked = new Map(nodes.map(({ node }) => [node.metadata.name, node.metadata.uid]));
    return data.predictions
      .filter(({ node }) => asked.has(node))
      .map(({ node, probability }) => {
        const uid = asked.get(node);
        return { node, probability, model, ...(uid !== undefined && { uid }) };
      });
  };

  return {
    name: 'ml-api',
    poll: async ({ nodes, modelName, now }, signal): Promise<SourceAnswer> => {
      if (!o.url) {
        return silent(
          'NotConfigured',
          'Set SPOT_INTERRUPTION_PREDICTION_API_URL, or API_URL, to the address of an ML API.',
        );
      }
      if (!modelName) {
        return silent('NoModel', 'Set SPOT_INTERRUPTION_PREDICTION_MODEL_NAME to a model of the ML API.');
      }
      if (now < notBefore) {
        return silent('BackingOff', `Not asked before ${new Date(notBefore).toISOString()}: ${failure}`);
      }
      try {
        const predictions: Prediction[] = [];
        for (let from = 0; from < nodes.length; from += PER_CALL) {
          predictions.push(...(await ask(modelName, nodes.slice(from, from + PER_CALL), signal)));
        }
        failures = 0;
        return {
          condition: {
            status: 'True',
            reason: 'Answered',
            message: `Model ${printable(modelName)} answered for ${predictions.length} of ${nodes.length} nodes.`,
          },
          signals: [],
          predictions,
        };
      } catch (error) {
        signal.throwIfAborted();
        failures += 1;
        const { cause } = error as Error;
        failure = printable(cause instanceof Error ? cause.message : messageOf(error)).slice(0, MAX_REASON);
        const waitMs = Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 20), MAX_WAIT_MS);
        notBefore =
          now + Math.min(Math.max(waitMs, error instanceof Unusable ? error.afterMs : 0), MAX_WAIT_MS);
        return silent('Failed', `The ML API can not be used: ${failure}`);
      }
    },
  };
};
