import { stringify } from 'yaml';
import { z } from 'zod';
import { CONFIG_MAPS } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';
import { isNotFound, messageOf } from '../errors.ts';
import { acceptedOf, type Book, type Data, inForce, problemsOf } from './book.ts';

/** The ConfigMap with the features in force, for people and for the next leader. */
const NAME = 'castai-kentroller-features';
const ACCEPTED = 'accepted.json';
const FIELD_MANAGER = 'castai-kentroller-features';

const accepted = z.record(z.string(), z.record(z.string(), z.string()));

export interface FeatureRecord {
  /** The data that earlier leaders had accepted, by ConfigMap; empty where it can't be read. */
  load(signal: AbortSignal): Promise<Readonly<Record<string, Data>>>;
  /** Saves the features in force in the background; the last state is written last. */
  save(book: Book): void;
  /** Resolves when pending saves are done or given up. */
  saved(): Promise<void>;
}

const dataOf = (book: Book): Data => ({
  [ACCEPTED]: JSON.stringify(acceptedOf(book)),
  'effective.yaml': stringify(inForce(book)),
  problems: problemsOf(book).join('\n'),
});

export const createFeatureRecord = (o: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly log: Logger;
}): FeatureRecord => {
  const { client, namespace, log } = o;
  let written = '';
  let next: Book | undefined;
  let tail: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    const data = next && dataOf(next);
    next = undefined;
    if (!data || JSON.stringify(data) === written) return;
    try {
      const metadata = { name: NAME, namespace };
      await client.apply(CONFIG_MAPS, { metadata, data }, { fieldManager: FIELD_MANAGER, force: true });
      written = JSON.stringify(data);
    } catch (error) {
      const reason = messageOf(error);
      log.warn({ reason }, 'features in force could not be written down for the next leader');
    }
  };
  return {
    load: async (signal) => {
      try {
        const map = await client.get(CONFIG_MAPS, { name: NAME, namespace }, { signal });
        return accepted.parse(JSON.parse(map.data?.[ACCEPTED] ?? '{}'));
      } catch (error) {
        if (isNotFound(error) || signal.aborted) return {};
        const reason = messageOf(error);
        log.warn({ reason }, 'features that were in force before could not be read');
        return {};
      }
    },
    save: (book) => {
      next = book;
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
