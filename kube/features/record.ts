import { stringify } from 'yaml';
import { z } from 'zod';
import { CONFIG_MAPS } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';
import { isNotFound, messageOf } from '../errors.ts';
import {
  acceptedData,
  type ConfigData,
  effectiveFeatures,
  type FeatureState,
  problemsOf,
} from './featurestate.ts';

/** The ConfigMap with the features in force, for people and for the next leader. */
export const FEATURES_CONFIG_MAP = 'castai-kentroller-features';
const ACCEPTED = 'accepted.json';
const FIELD_MANAGER = 'castai-kentroller-features';

const accepted = z.record(z.string(), z.record(z.string(), z.string()));

export interface FeatureRecord {
  /** The data that earlier leaders had accepted, by ConfigMap; empty when the record can't be read. */
  load(signal: AbortSignal): Promise<Readonly<Record<string, ConfigData>>>;
  /** Saves the features in force in the background; the last state is written last. */
  save(state: FeatureState): void;
  /** Resolves when pending saves are done or given up. */
  saved(): Promise<void>;
}

const dataOf = (state: FeatureState): ConfigData => ({
  [ACCEPTED]: JSON.stringify(acceptedData(state)),
  'effective.yaml': stringify(effectiveFeatures(state)),
  problems: problemsOf(state).join('\n'),
});

export const createFeatureRecord = (o: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly log: Logger;
}): FeatureRecord => {
  const { client, namespace, log } = o;
  let written = '';
  let next: FeatureState | undefined;
  let tail: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    const data = next && dataOf(next);
    next = undefined;
    if (!data || JSON.stringify(data) === written) return;
    try {
      const metadata = { name: FEATURES_CONFIG_MAP, namespace };
      await client.apply(CONFIG_MAPS, { metadata, data }, { fieldManager: FIELD_MANAGER, force: true });
      written = JSON.stringify(data);
    } catch (error) {
      const reason = messageOf(error);
      log.warn({ reason }, 'cannot save the features for the next leader');
    }
  };
  return {
    load: async (signal) => {
      try {
        const map = await client.get(CONFIG_MAPS, { name: FEATURES_CONFIG_MAP, namespace }, { signal });
        return accepted.parse(JSON.parse(map.data?.[ACCEPTED] ?? '{}'));
      } catch (error) {
        if (isNotFound(error) || signal.aborted) return {};
        const reason = messageOf(error);
        log.warn(
          { reason },
          'cannot read the features of the previous leader; invalid ConfigMaps fall back to the defaults',
        );
        return {};
      }
    },
    save: (state) => {
      next = state;
      tail = tail.then(write);
    },
    saved: () => tail,
  };
};

/** The record for components that leave writing to kentroller. */
export const readFeatureRecord = (o: Parameters<typeof createFeatureRecord>[0]): FeatureRecord => ({
  load: createFeatureRecord(o).load,
  save: () => {},
  saved: async () => {},
});
