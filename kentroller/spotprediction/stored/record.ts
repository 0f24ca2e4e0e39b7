import { stringify } from 'yaml';
import { CONFIG_MAPS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import type { Logger } from '../../../kube/component/log.ts';
import { messageOf } from '../../../kube/errors.ts';
import type { SourceCondition } from '../source.ts';

/** The ConfigMap that says, for people, which sources can be heard and what became of the last cycle. */
export const PREDICTION_CONFIG_MAP = 'castai-kentroller-spot-prediction';
const FIELD_MANAGER = 'castai-kentroller-spot-prediction';

export interface PredictionRecord {
  /**
   * Conditions by source, and the outcome of the last cycle. Written when they change, and never before predictions were
   * turned on; a failure is only logged.
   */
  save(
    conditions: readonly (readonly [string, SourceCondition])[],
    outcome: string,
    isEnabled: boolean,
    signal: AbortSignal,
  ): Promise<void>;
}

export const createPredictionRecord = (o: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly log: Logger;
  readonly now: () => number;
}): PredictionRecord => {
  let written = '';
  const since = new Map<string, { readonly status: string; readonly at: string }>();
  return {
    save: async (conditions, outcome, isEnabled, signal) => {
      const key = JSON.stringify([conditions, outcome]);
      if (key === written || (written === '' && !isEnabled)) return;
      const at = new Date(o.now()).toISOString();
      const all = conditions.map(([source, condition]) => {
        const before = since.get(source);
        const own = before?.status === condition.status ? before : { status: condition.status, at };
        since.set(source, own);
        return { type: source, ...condition, lastTransitionTime: own.at };
      });
      const metadata = { name: PREDICTION_CONFIG_MAP, namespace: o.namespace };
      const data = { 'conditions.yaml': stringify(all), outcome };
      try {
        await o.client.apply(
          CONFIG_MAPS,
          { metadata, data },
          { fieldManager: FIELD_MANAGER, force: true, signal },
        );
        written = key;
      } catch (error) {
        if (!signal.aborted)
          o.log.warn({ reason: messageOf(error) }, 'the conditions of predictions were not written');
      }
    },
  };
};
