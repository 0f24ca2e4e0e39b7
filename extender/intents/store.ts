import type { KubeObject } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import type { Resource } from '../../api/resources.ts';
import type { Cache, Change } from '../../kube/cache/cache.ts';
import type { Logger } from '../../kube/component/log.ts';
import { ReservedNames } from './reservednames.ts';

/** An intent as the store holds it; metadata.name is its id. */
export interface HeldIntent extends KubeObject {
  readonly intent: Intent;
  readonly version: number;
}

export type IntentIndex = 'node' | 'pod' | 'owner';

const INTENTS: Resource<HeldIntent> = {
  group: '',
  version: 'v1',
  kind: 'Intent',
  plural: 'intents',
  namespaced: false,
};

const valuesOf = ({ nodeName, pin }: Intent): Readonly<Record<IntentIndex, string>> => ({
  node: nodeName,
  pod: pin?.pod?.uid ?? '',
  owner: pin?.owner?.uid ?? '',
});

const INDEXES: readonly IntentIndex[] = ['node', 'pod', 'owner'];

/**
 * Every intent that holds, as the stream told it. It has the shape of a cache, so that controllers watch it as they
 * watch pods and nodes. Intents outlive a cut stream; those that the next state of the world does not contain go.
 */
export class IntentStore implements Cache<HeldIntent> {
  readonly resource = INTENTS;
  readonly hasSynced = true;
  readonly #held = new Map<string, HeldIntent>();
  readonly #texts = new Map<string, string>();
  readonly #indexes = new Map<string, Map<string, HeldIntent>>();
  readonly #reserved = new Map<string, string>();
  #reservedNames: ReservedNames | undefined;
  readonly #watchers = new Set<(change: Change<HeldIntent>) => void>();
  readonly #log: Logger;
  #seen: Set<string> | undefined;
  #hasFullState = false;
  #isDisabled = false;
  #version = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Whether a whole state of the world was received since the start: only then absence means removal. */
  get hasFullState(): boolean {
    return this.#hasFullState;
  }
  /** Whether pinning is turned off: nothing holds, and nothing is going to. */
  get isDisabled(): boolean {
    return this.#isDisabled;
  }
  get version(): number {
    return this.#version;
  }
  get size(): number {
    return this.#held.size;
  }
  get(id: string): HeldIntent | undefined {
    return this.#held.get(id);
  }
  list(): readonly HeldIntent[] {
    return [...this.#held.values()];
  }
  by(index: string, value: string): readonly HeldIntent[] {
    const found = this.#indexes.get(`${index}/${value}`);
    return found ? [...found.values()] : [];
  }
  /** The plan that a machine under this name was ordered for. */
  planOf(nodeName: string): string | undefined {
    return this.#reserved.get(nodeName);
  }
  /** All names under which machines were ordered; undefined when there is none. */
  get reservedNames(): ReservedNames | undefined {
    if (this.#reserved.size === 0) return undefined;
    this.#reservedNames ??= new ReservedNames(this.#reserved);
    return this.#reservedNames;
  }
  /** Whether any machine is on its way or reserved. */
  get hasReserved(): boolean {
    return this.#reserved.size > 0;
  }
  onChange(watcher: (change: Change<HeldIntent>) => void): () => void {
    this.#watchers.add(watcher);
    for (const object of this.#held.values()) this.#tell(watcher, { type: 'add', object });
    return () => void this.#watchers.delete(watcher);
  }
  async synced(): Promise<void> {}
  start(): void {}

  /** A new state of the world begins: what it does not name until endResync holds no more. */
  beginResync(): void {
    this.#isDisabled = false;
    this.#seen = new Set();
  }

  endResync(version: number): void {
    this.#version = version;
    const seen = this.#seen;
    this.#seen = undefined;
    this.#hasFullState = true;
    if (seen) for (const id of this.#held.keys()) if (!seen.has(id)) this.#drop(id);
  }

  /** Pinning is turned off: no intent holds, until a new state of the world begins. */
  disable(): void {
    this.#seen = undefined;
    this.#hasFullState = false;
    this.#isDisabled = true;
    for (const id of this.#held.keys()) this.#drop(id);
  }

  /** Takes in an intent; returns false when nothing but its version is new. */
  upsert(intent: Intent, version: number): boolean {
    this.#version = version;
    this.#seen?.add(intent.id);
    const text = JSON.stringify(intent);
    const old = this.#held.get(intent.id);
    const object: HeldIntent = { metadata: { name: intent.id }, intent, version };
    this.#unindex(old);
    this.#held.set(intent.id, object);
    this.#index(object);
    if (old && this.#texts.get(intent.id) === text) return false;
    this.#texts.set(intent.id, text);
    this.#publish(old ? { type: 'update', object, old } : { type: 'add', object });
    return true;
  }

  remove(id: string, version: number): void {
    this.#version = version;
    this.#drop(id);
  }

  #drop(id: string): void {
    const object = this.#held.get(id);
    if (!object) return;
    this.#held.delete(id);
    this.#texts.delete(id);
    this.#unindex(object);
    this.#publish({ type: 'delete', object });
  }

  #index(object: HeldIntent): void {
    const { node, nodeName, plan } = object.intent;
    if (node && nodeName) {
      this.#reserved.set(nodeName, plan);
      this.#reservedNames = undefined;
    }
    const values = valuesOf(object.intent);
    for (const index of INDEXES) {
      if (values[index] === '') continue;
      const key = `${index}/${values[index]}`;
      const there = this.#indexes.get(key);
      if (there) there.set(object.intent.id, object);
      else this.#indexes.set(key, new Map([[object.intent.id, object]]));
    }
  }

  #unindex(object: HeldIntent | undefined): void {
    if (!object) return;
    const { node, nodeName } = object.intent;
    if (node && this.#reserved.delete(nodeName)) this.#reservedNames = undefined;
    const values = valuesOf(object.intent);
    for (const index of INDEXES) {
      const key = `${index}/${values[index]}`;
      const there = this.#indexes.get(key);
      if (there?.delete(object.intent.id) && there.size === 0) this.#indexes.delete(key);
    }
  }

  #publish(change: Change<HeldIntent>): void {
    for (const watcher of this.#watchers) this.#tell(watcher, change);
  }

  #tell(watcher: (change: Change<HeldIntent>) => void, change: Change<HeldIntent>): void {
    try {
      watcher(change);
    } catch (err) {
      this.#log.error({ err, intent: change.object.intent.id }, 'an intent could not be handed on');
    }
  }
}
