import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '../kube/doors/jsonscan.ts';
import { messageOf } from '../kube/errors.ts';
import { type Catalogue, catalogueFromKwok } from '../planner/model/catalogue.ts';
import { type Snapshot, snapshotFromList } from '../planner/model/snapshot.ts';
import { absentKinds } from './files/absentkinds.ts';
import { FileFormatError, utf8Of } from './files/bytes.ts';
import { documentsOf, FILE_LIMITS } from './files/documents.ts';
import { objectsIn } from './files/objects.ts';
import { UsageError } from './flags.ts';

/** The kubectl command that prints a whole snapshot. */
export const KUBECTL_GET =
  'kubectl get nodes,pods,nodepools,nodeclaims,daemonsets,replicasets,pdb,pvc,pv,storageclasses,csinodes,namespaces,limitranges -A -o json';

const readBytes = (what: string, file: string): Buffer => {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (cause) {
    throw new UsageError(`The ${what} ${file} can't be read: ${messageOf(cause)}.`);
  }
};

/** Reads a JSON file, '-' for stdin. Throws a UsageError with `what` and the file's name. */
export const readJson = (what: string, file: string): unknown => {
  const bytes = readBytes(what, file);
  try {
    return parseJson(utf8Of(bytes), FILE_LIMITS);
  } catch (cause) {
    throw new UsageError(`The ${what} ${file} is not JSON: ${messageOf(cause)}.`);
  }
};

const SNAPSHOT_FILE = /\.(json|ya?ml)(\.gz)?$/;

/** The files that a path stands for: those of a folder and of the folders in it, or the file itself. */
const filesAt = (path: string): readonly string[] => {
  if (path === '-' || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) =>
    SNAPSHOT_FILE.test(name),
  );
  if (names.length === 0) {
    throw new UsageError(
      `The folder ${path} holds no file that ends in .json, .yaml, .yml or .gz: create one with ${KUBECTL_GET}.`,
    );
  }
  return names.sort().map((name) => join(path, name));
};

interface FileContent {
  readonly items: readonly unknown[];
  readonly notes: readonly string[];
}

const readObjects = (file: string): FileContent => {
  const bytes = readBytes('snapshot', file);
  try {
    const { values, strangers } = documentsOf(bytes);
    const items = values.flatMap(objectsIn);
    const passed = strangers.length === 1 ? '1 line' : `${strangers.length} lines`;
    const notes =
      strangers.length > 0
        ? [
            `${passed} of ${file} beside the JSON were passed over; where they are errors of kubectl, the file lacks objects: get it again without them.`,
          ]
        : [];
    return { items, notes };
  } catch (cause) {
    if (!(cause instanceof FileFormatError)) throw cause;
    throw new UsageError(`The snapshot ${file} ${cause.message}: create it with ${KUBECTL_GET}.`);
  }
};

/**
 * Reads a snapshot from comma-separated files and folders, in whatever form kubectl and editors leave them. Throws
 * UsageError, SnapshotError or QuantityError.
 */
export const readSnapshot = (files: string): Snapshot => {
  const contents = files.split(',').flatMap(filesAt).map(readObjects);
  const snapshot = snapshotFromList({ items: contents.flatMap(({ items }) => items) });
  const notes = [
    ...contents.flatMap((content) => content.notes),
    ...absentKinds(snapshot),
    ...(snapshot.notes ?? []),
  ];
  return { ...snapshot, ...(notes.length > 0 && { notes }) };
};

/** Reads a catalogue in the format of Karpenter's kwok provider. Throws UsageError, CatalogueError or QuantityError. */
export const readCatalogue = (file: string): Catalogue => catalogueFromKwok(readJson('catalogue', file));
