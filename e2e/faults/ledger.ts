import type { KubeObject } from '../../api/objects.ts';
import { type Change, keyOf } from '../../kube/cache/store.ts';

/**
 * A record of what a cache told its handlers. It finds what no correct cache would say: a version twice, an update of
 * what was never added, an add over an object that was not deleted, a change after the end.
 */
export class Ledger {
  readonly faults: string[] = [];
  readonly #alive = new Map<string, { uid: string; version: number }>();
  readonly #ended = new Set<string>();
  #isClosed = false;
  changes = 0;

  record(change: Change<KubeObject>): void {
    this.changes++;
    const { uid = '', resourceVersion = '' } = change.object.metadata;
    const key = keyOf(change.object);
    const version = Number(resourceVersion);
    const held = this.#alive.get(key);
    const complain = (what: string): void =>
      void this.faults.push(`${what}: ${key} ${uid} @${resourceVersion}`);
    if (this.#isClosed) complain('told after stop');
    if (this.#ended.has(uid)) complain(`${change.type} of what was deleted`);
    if (change.type === 'add') {
      if (held) complain('added twice');
      this.#alive.set(key, { uid, version });
    } else if (!held) complain(`${change.type} of what was never added`);
    else if (held.uid !== uid) complain(`${change.type} with another uid`);
    else if (change.type === 'update') {
      if (version <= held.version) complain('a version told twice, or backwards');
      held.version = version;
    } else {
      this.#alive.delete(key);
      this.#ended.add(uid);
    }
  }

  /** The handlers' view of what exists: key to uid and version. */
  state(): Map<string, string> {
    return new Map([...this.#alive].map(([key, { uid, version }]) => [key, `${uid}@${version}`]));
  }

  close(): void {
    this.#isClosed = true;
  }
}

export const stateOf = (objects: Iterable<KubeObject>): Map<string, string> =>
  new Map([...objects].map((o) => [keyOf(o), `${o.metadata.uid}@${o.metadata.resourceVersion}`]));

/** Differences between two states, in words; empty when there are none. */
export const differences = (
  expected: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string[] => [
  ...[...expected].flatMap(([key, at]) =>
    found.get(key) === at ? [] : [`${key}: ${at}, not ${found.get(key)}`],
  ),
  ...[...found.keys()].flatMap((key) => (expected.has(key) ? [] : [`${key}: should be gone`])),
];
