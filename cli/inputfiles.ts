import { readFileSync } from 'node:fs';
import { type Catalogue, catalogueFromKwok } from '../planner/model/catalogue.ts';
import { type Snapshot, snapshotFromList } from '../planner/model/snapshot.ts';
import { UsageError } from './flags.ts';

/** Reads a JSON file; - is stdin. Throws a UsageError that names the file. */
export const readJson = (what: string, file: string): unknown => {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw new UsageError(`The ${what} ${file} can't be read: ${(cause as Error).message}.`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`The ${what} ${file} is not JSON: ${(cause as Error).message}.`);
  }
};

/** Reads one or more snapshot files, comma separated, into one snapshot. */
export const readSnapshot = (files: string): Snapshot => {
  const lists = files.split(',').map((file) => readJson('snapshot', file));
  const items = lists.flatMap((list, index) => {
    const found = (list as { items?: unknown } | null)?.items;
    if (!Array.isArray(found)) {
      throw new UsageError(
        `The snapshot ${files.split(',')[index]} is not a v1 List with items, as kubectl get -o json prints it.`,
      );
    }
    return found;
  });
  return snapshotFromList({ items });
};

export const readCatalogue = (file: string): Catalogue => catalogueFromKwok(readJson('catalogue', file));
