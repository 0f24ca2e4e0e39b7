import type { KubeObject } from '../../../api/objects.ts';
import { isSameJson, leavesOf, valueAt } from './json.ts';

const IDENTITY = /^\/(apiVersion|kind|metadata\/(name|namespace|resourceVersion|uid))$/;

const fieldsOf = (object: object): ReadonlySet<string> =>
  new Set(leavesOf(object).filter((path) => !IDENTITY.test(path)));

/** A merge patch that removes one field. */
export const removalOf = (path: string): object =>
  path
    .split('/')
    .slice(1)
    .reduceRight<unknown>((value, key) => ({ [key.replaceAll('~1', '/')]: value }), null) as object;

export interface Claimed {
  /** The field that another manager holds with another value. */
  readonly conflict?: string;
  /** Fields that the manager held and no longer applies. */
  readonly removed: readonly string[];
}

/** Field managers of server-side apply; lists count as one field. */
export class FieldOwners {
  readonly #fields = new Map<string, Map<string, ReadonlySet<string>>>();

  forget(id: string): void {
    this.#fields.delete(id);
  }

  claim(
    id: string,
    manager: string,
    old: KubeObject | undefined,
    applied: object,
    isForced: boolean,
  ): Claimed {
    const managers = this.#fields.get(id) ?? new Map<string, ReadonlySet<string>>();
    const fields = fieldsOf(applied);
    const others = [...managers].filter(([name]) => name !== manager);
    for (const path of fields) {
      const holder = others.find(([, held]) => held.has(path));
      if (!holder || isForced || isSameJson(valueAt(old, path), valueAt(applied, path))) continue;
      return { conflict: `conflict with "${holder[0]}": ${path}`, removed: [] };
    }
    const gone = [...(managers.get(manager) ?? [])].filter(
      (path) => !fields.has(path) && !others.some(([, held]) => held.has(path)),
    );
    const root = (path: string): string | undefined => path.split('/')[1];
    const touched = new Set([...fields].map(root));
    const removed = gone.filter((path) => touched.has(root(path)));
    const kept = gone.filter((path) => !touched.has(root(path)));
    managers.set(manager, new Set([...fields, ...kept]));
    if (isForced) {
      for (const [name, held] of others) {
        managers.set(name, new Set([...held].filter((path) => !fields.has(path))));
      }
    }
    this.#fields.set(id, managers);
    return { removed };
  }
}
