import { readFileSync } from 'node:fs';
import { messageOf } from '../kube/errors.ts';
import { type Catalogue, catalogueFromKwok } from '../planner/model/catalogue.ts';
import { type Snapshot, snapshotFromList } from '../planner/model/snapshot.ts';
import { UsageError } from './flags.ts';

/** Reads a JSON file, '-' for stdin. Throws a UsageError with `what` and the file's name. */
export const readJson = (what: string, file: string): unknown => {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw new UsageError(`The ${what} ${file} can't be read: ${messageOf(cause)}.`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`The ${what} ${file} is not JSON: ${messageOf(cause)}.`);
  }
};

/** Reads a snapshot from comma-separated files, each a v1 List. Throws UsageError, SnapshotError or QuantityError. */
export const readSnapshot = (files: string): Snapshot => {
  const items = files.split(',').flatMap((file) => {
    const found = (readJson('snapshot', file) as { items?: unknown } | null)?.items;
    if (!Array.isArray(found)) {
      throw new UsageError(`The snapshot ${file} is not a v1 List: create it with kubectl get -o json.`);
    }
    return found;
  });
  return snapshotFromList({ items });
};

/** Reads a catalogue in the format of Karpenter's kwok provider. Throws UsageError, CatalogueError or QuantityError. */
export const readCatalogue = (file: string): Catalogue => catalogueFromKwok(readJson('catalogue', file));
