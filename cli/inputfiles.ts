import { readFileSync } from 'node:fs';
import { parseJson } from '../kube/doors/jsonscan.ts';
import { messageOf } from '../kube/errors.ts';
import { type Catalogue, catalogueFromKwok } from '../planner/model/catalogue.ts';
import { type Snapshot, snapshotFromList } from '../planner/model/snapshot.ts';
import { UsageError } from './flags.ts';

/** A cluster's file may be as large as the cluster; no Kubernetes object is this deep. */
const FILE_LIMITS = { depth: 100, values: Number.MAX_SAFE_INTEGER };

/** Reads a JSON file, '-' for stdin. Throws a UsageError with `what` and the file's name. */
export const readJson = (what: string, file: string): unknown => {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (cause) {
    throw new UsageError(`The ${what} ${file} can't be read: ${messageOf(cause)}.`);
  }
  try {
    return parseJson(bytes, FILE_LIMITS);
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
