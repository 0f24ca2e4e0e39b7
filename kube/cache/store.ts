import type { KubeObject } from '../../api/objects.ts';

export type Change<T extends KubeObject> =
  | { readonly type: 'add'; readonly object: T }
  | { readonly type: 'update'; readonly object: T; readonly old: T }
  | { readonly type: 'delete'; readonly object: T };

/** The key of an object in its cache: 'namespace/name', or 'name' without a namespace. */
export const keyOf = (object: KubeObject): string =>
  object.metadata.namespace ? `${object.metadata.namespace}/${object.metadata.name}` : object.metadata.name;

export type Indexes<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

// Largest size at which an array is smaller and faster to search than a set.
const SMALL = 128;

type Bucket<T> = T[] | Set<T>;

const put = <T>(buckets: Map<string, Bucket<T>>, value: string, object: T): void => {
  const bucket = buckets.get(value);
  if (bucket === undefined) buckets.set(value, [object]);
  else if (bucket instanceof Set) bucket.add(object);
  else if (bucket.push(object) > SMALL) buckets.set(value, new Set(bucket));
};

const take = <T>(buckets: Map<string, Bucket<T>>, value: string, object: T): void => {
  const bucket = buckets.get(value);
  if (bucket === undefined) return;
  if (bucket instanceof Set) bucket.delete(object);
  else {
    const at = bucket.indexOf(object);
    const last = bucket.pop();
    if (last !== undefined && last !== object && at >= 0) bucket[at] = last;
  }
  if ((bucket instanceof Set ? bucket.size : bucket.length) === 0) buckets.delete(value);
};

/** Objects by key and by index. Every change is published once, in order, and never for a version already held. */
export class Store<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: readonly {
    readonly name: string;
    readonly values: (object: T) => readonly string[];
    readonly buckets: Map<string, Bucket<T>>;
  }[];
  readonly #tell: (change: Change<T>) => void;
  #listed: readonly T[] | undefined;
  #seen: Set<string> | undefined;

  constructor(indexes: Indexes<T>, tell: (change: Change<T>) => void) {
    this.#indexes = Object.entries(indexes).map(([name, values]) => ({ name, values, buckets: new Map() }));
    this.#tell = tell;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    this.#listed ??= [...this.#objects.values()];
    return this.#listed;
  }

  by(index: string, value: string): readonly T[] {
    const found = this.#indexes.find((i) => i.name === index);
    if (!found) throw new TypeError(`there is no index '${index}'`);
    const bucket = found.buckets.get(value);
    return bucket ? [...bucket] : [];
  }

  #index(object: T): void {
    for (const { values, buckets } of this.#indexes)
      for (const value of values(object)) put(buckets, value, object);
  }

  #unindex(object: T): void {
    for (const { values, buckets } of this.#indexes)
      for (const value of values(object)) take(buckets, value, object);
  }

  /** Stores an object as the server has it. Another UID under the same key is a delete and an add. */
  upsert(object: T): void {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    this.#seen?.add(key);
    if (old?.metadata.uid === object.metadata.uid) {
      if (old?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    } else if (old) this.#drop(key, old);
    const same = old?.metadata.uid === object.metadata.uid ? old : undefined;
    if (same) this.#unindex(same);
    this.#objects.set(key, object);
    this.#index(object);
    this.#listed = undefined;
    this.#tell(same ? { type: 'update', object, old: same } : { type: 'add', object });
  }

  /** Removes an object; one of the same name but with another UID stays. */
  remove(object: T): void {
    const key = keyOf(object);
    const held = this.#objects.get(key);
    if (held && held.metadata.uid === object.metadata.uid) this.#drop(key, held, object);
  }

  #drop(key: string, held: T, last: T = held): void {
    this.#objects.delete(key);
    this.#unindex(held);
    this.#listed = undefined;
    this.#tell({ type: 'delete', object: last });
  }

  /** Begins a replacement: until endReplace, every object that exists is passed to upsert. */
  beginReplace(): void {
    this.#seen = this.#objects.size > 0 ? new Set() : undefined;
  }

  /** Ends a replacement: objects that it did not contain are deleted. */
  endReplace(): void {
    const seen = this.#seen;
    this.#seen = undefined;
    if (!seen) return;
    for (const [key, held] of this.#objects) if (!seen.has(key)) this.#drop(key, held);
  }

  /** Abandons a replacement: the list broke off, so an object missing from it may still exist. */
  cancelReplace(): void {
    this.#seen = undefined;
  }
}
