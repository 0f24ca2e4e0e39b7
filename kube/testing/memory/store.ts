import type { KubeObject } from '../../../api/objects.ts';
import { apiVersionOf, type Resource } from '../../../api/resources.ts';
import type { Ref } from '../../client/requestoptions.ts';
import { isSameJson, type Json } from './json.ts';
import { managedAfter } from './managedfields.ts';

/** One watch message; objects are shared and must not be changed. */
export interface WatchMessage {
  readonly type: 'put' | 'delete';
  readonly object: KubeObject;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const idOf = (resource: Resource): string => `${resource.group}/${resource.kind}`;
const keyOf = (ref: Ref): string => (ref.namespace ? `${ref.namespace}/${ref.name}` : ref.name);

/** Kinds whose managedFields are kept. */
const WITH_MANAGED_FIELDS: ReadonlySet<string> = new Set(['Node', 'NodeClaim']);

interface Kind {
  readonly objects: Map<string, KubeObject>;
  readonly log: WatchMessage[];
  listed: readonly KubeObject[] | undefined;
}

/** What etcd and the registry below the API's verbs do: versions, UIDs, finalizers, and a log of changes of each kind. */
export class MemoryStore {
  readonly #kinds = new Map<string, Kind>();
  readonly #kindOf = new Map<Resource, Kind>();
  readonly #now: () => number;
  readonly #watchers = new Set<(resource: Resource, message: WatchMessage) => void>();
  #version = 0;
  #uids = 0;

  /** `now` in milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get version(): number {
    return this.#version;
  }

  /** Now, with the whole seconds of Kubernetes' timestamps. */
  timestamp(): string {
    return `${new Date(this.#now()).toISOString().slice(0, 19)}Z`;
  }

  #kind(resource: Resource): Kind {
    const known = this.#kindOf.get(resource);
    if (known) return known;
    const id = idOf(resource);
    const kind = this.#kinds.get(id) ?? { objects: new Map(), log: [], listed: undefined };
    this.#kinds.set(id, kind);
    this.#kindOf.set(resource, kind);
    return kind;
  }

  get<T extends KubeObject>(resource: Resource<T>, ref: Ref): T | undefined {
    return this.#kind(resource).objects.get(keyOf(ref)) as T | undefined;
  }

  list<T extends KubeObject>(resource: Resource<T>): readonly T[] {
    const kind = this.#kind(resource);
    kind.listed ??= [...kind.objects.values()];
    return kind.listed as readonly T[];
  }

  /** Every change of a kind since the beginning. */
  log(resource: Resource): readonly WatchMessage[] {
    return this.#kind(resource).log;
  }

  /** Calls the watcher after each change, with the message that watches will get. */
  onChange(watcher: (resource: Resource, message: WatchMessage) => void): void {
    this.#watchers.add(watcher);
  }

  #tell(resource: Resource, message: WatchMessage): void {
    const kind = this.#kind(resource);
    kind.listed = undefined;
    kind.log.push(message);
    for (const watcher of this.#watchers) watcher(resource, message);
  }

  /** Stores a new object with UID, version and creation time. */
  insert<T extends KubeObject>(resource: Resource<T>, object: T, manager: string): T {
    const { generateName: prefix, ...meta } = object.metadata;
    const number = ++this.#uids;
    const metadata = {
      ...meta,
      name: meta.name || `${prefix}${number.toString(36).padStart(5, '0')}`,
      uid: `${resource.kind.toLowerCase()}-${number}`,
      creationTimestamp: this.timestamp(),
      generation: 1,
    };
    const typed = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind, metadata };
    return this.#put(resource, this.#managed(resource, undefined, typed, manager));
  }

  /** Stores a change; one that changes nothing gets no version. An object without finalizers that is being deleted goes. */
  update<T extends KubeObject>(resource: Resource<T>, old: T, next: T, manager: string): T {
    const withVersion = {
      ...next,
      metadata: { ...next.metadata, resourceVersion: old.metadata.resourceVersion },
    };
    if (isSameJson(old, withVersion)) return old;
    const { generation = 1 } = old.metadata;
    const isSpecChanged = !isSameJson((old as Json).spec, (next as Json).spec);
    const metadata = { ...next.metadata, generation: isSpecChanged ? generation + 1 : generation };
    const isLast = metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0;
    const isPod = resource.kind === 'Pod' && (metadata.deletionGracePeriodSeconds ?? 0) > 0;
    if (isLast && !isPod) return this.remove(resource, { ...next, metadata });
    return this.#put(resource, this.#managed(resource, old, { ...next, metadata }, manager));
  }

  #managed<T extends KubeObject>(resource: Resource<T>, old: T | undefined, next: T, manager: string): T {
    if (!WITH_MANAGED_FIELDS.has(resource.kind)) return next;
    return { ...next, metadata: { ...next.metadata, managedFields: managedAfter(old, next, manager) } };
  }

  remove<T extends KubeObject>(resource: Resource<T>, object: T): T {
    const kind = this.#kind(resource);
    kind.objects.delete(keyOf(object.metadata));
    const last = this.#stamp(object);
    this.#tell(resource, { type: 'delete', object: last });
    return last;
  }

  #stamp<T extends KubeObject>(object: T): T {
    const metadata: Mutable<KubeObject['metadata']> = {
      ...object.metadata,
      resourceVersion: String(++this.#version),
    };
    return { ...object, metadata };
  }

  #put<T extends KubeObject>(resource: Resource<T>, object: T): T {
    const kind = this.#kind(resource);
    const stamped = this.#stamp(object);
    kind.objects.set(keyOf(stamped.metadata), stamped);
    this.#tell(resource, { type: 'put', object: stamped });
    return stamped;
  }
}
