import type { KubeObject } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import type { Resource } from '../../api/resources.ts';
import type { Cache, Change } from '../../kube/cache/cache.ts';
import type { Logger } from '../../kube/component/log.ts';
import { ReservedNames } from './reservednames.ts';

/** An intent in the store; metadata.name is its id. */
export interface StoredIntent extends KubeObject {
  readonly intent: Intent;
  readonly version: number;
}

export type IntentIndex = 'node' | 'pod' | 'owner';

const INTENTS: Resource<StoredIntent> = {
  group: '',
  version: 'v1',
  kind: 'Intent',
  plural: 'intents',
  namespaced: false,
};

const indexValuesOf = ({ nodeName, pin }: Intent): Readonly<Record<IntentIndex, string>> => ({
  node: nodeName,
  pod: pin?.pod?.uid ?? '',
  owner: pin?.owner?.uid ?? '',
});

const INDEXES: readonly IntentIndex[] = ['node', 'pod', 'owner'];

/**
 * All intents that the stream sent, with the interface of a cache, so that controllers watch them like pods. They
 * survive a broken stream; the next full state removes those that it does not contain.
 */
export class IntentStore implements Cache<StoredIntent> {
  readonly resource = INTENTS;
  readonly hasSynced = true;
  readonly absence = undefined;
  readonly #intents = new Map<string, StoredIntent>();
  readonly #json = new Map<string, string>();
  readonly #indexes = new Map<string, Map<string, StoredIntent>>();
  readonly #reserved = new Map<string, string>();
  #reservedNames: ReservedNames | undefined;
  readonly #listeners = new Set<(change: Change<StoredIntent>) => void>();
  readonly #log: Logger;
  #received: Set<string> | undefined;
  #hasFullState = false;
  #isDisabled = false;
  #version = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * Whether a full state arrived since the start or the last disable; only then a missing intent means a removed one.
   */
  get hasFullState(): boolean {
    return this.#hasFullState;
  }
  /** Whether pinning is off: there are no intents, and none are expected. */
  get isDisabled(): boolean {
    return this.#isDisabled;
  }
  get version(): number {
    return this.#version;
  }
  get size(): number {
    return this.#intents.size;
  }
  get(id: string): StoredIntent | undefined {
    return this.#intents.get(id);
  }
  list(): readonly StoredIntent[] {
    return [...this.#intents.values()];
  }
  by(index: string, value: string): readonly StoredIntent[] {
    const found = this.#indexes.get(`${index}/${value}`);
    return found ? [...found.values()] : [];
  }
  /** The plan that ordered the machine of this node. */
  planOf(nodeName: string): string | undefined {
    return this.#reserved.get(nodeName);
  }
  /** Names of all nodes whose machine a plan ordered; undefined when there are none. */
  get reservedNames(): ReservedNames | undefined {
    if (this.#reserved.size === 0) return undefined;
    this.#reservedNames ??= new ReservedNames(this.#reserved);
    return this.#reservedNames;
  }
  /** Whether any node is reserved. */
  get hasReserved(): boolean {
    return this.#reserved.size > 0;
  }
  onChange(listener: (change: Change<StoredIntent>) => void): () => void {
    this.#listeners.add(listener);
    for (const object of this.#intents.values()) this.#notify(listener, { type: 'add', object });
    return () => void this.#listeners.delete(listener);
  }
  async synced(): Promise<void> {}
  start(): void {}

  /** Begins a full state; endResync removes every intent that was not received since. */
  beginResync(): void {
    this.#isDisabled = false;
    this.#received = new Set();
  }

  endResync(version: number): void {
    this.#version = version;
    const received = this.#received;
    this.#received = undefined;
    this.#hasFullState = true;
    if (received) for (const id of this.#intents.keys()) if (!received.has(id)) this.#delete(id);
  }

  /** Drops all intents; the next full state enables the store again. */
  disable(): void {
    this.#received = undefined;
    this.#hasFullState = false;
    this.#isDisabled = true;
    for (const id of this.#intents.keys()) this.#delete(id);
  }

  /** Stores an intent; returns false when only its version changed. */
  upsert(intent: Intent, version: number): boolean {
    this.#version = version;
    this.#received?.add(intent.id);
    const json = JSON.stringify(intent);
    const old = this.#intents.get(intent.id);
    const object: StoredIntent = { metadata: { name: intent.id }, intent, version };
    this.#unindex(old);
    this.#intents.set(intent.id, object);
    this.#index(object);
    if (old && this.#json.get(intent.id) === json) return false;
    this.#json.set(intent.id, json);
    this.#publish(old ? { type: 'update', object, old } : { type: 'add', object });
    return true;
  }

  remove(id: string, version: number): void {
    this.#version = version;
    this.#delete(id);
  }

  #delete(id: string): void {
    const object = this.#intents.get(id);
    if (!object) return;
    this.#intents.delete(id);
    this.#json.delete(id);
    this.#unindex(object);
    this.#publish({ type: 'delete', object });
  }

  #index(object: StoredIntent): void {
    const { node, nodeName, plan } = object.intent;
    if (node && nodeName) {
      this.#reserved.set(nodeName, plan);
      this.#reservedNames = undefined;
    }
    const values = indexValuesOf(object.intent);
    for (const index of INDEXES) {
      if (values[index] === '') continue;
      const key = `${index}/${values[index]}`;
      const entries = this.#indexes.get(key);
      if (entries) entries.set(object.intent.id, object);
      else this.#indexes.set(key, new Map([[object.intent.id, object]]));
    }
  }

  #unindex(object: StoredIntent | undefined): void {
    if (!object) return;
    const { node, nodeName } = object.intent;
    if (node && this.#reserved.delete(nodeName)) this.#reservedNames = undefined;
    const values = indexValuesOf(object.intent);
    for (const index of INDEXES) {
      const key = `${index}/${values[index]}`;
      const entries = this.#indexes.get(key);
      if (entries?.delete(object.intent.id) && entries.size === 0) this.#indexes.delete(key);
    }
  }

  #publish(change: Change<StoredIntent>): void {
    for (const listener of this.#listeners) this.#notify(listener, change);
  }

  #notify(listener: (change: Change<StoredIntent>) => void, change: Change<StoredIntent>): void {
    try {
      listener(change);
    } catch (err) {
      this.#log.error({ err, intent: change.object.intent.id }, 'an intent listener failed');
    }
  }
}
