import type { Registry } from 'prom-client';
import type { KubeObject } from '../api/objects.ts';
import type { Cache, Change } from './cache.ts';
import type { Logger } from './log.ts';

/** What is reconciled: 'namespace/name', 'name', or any other string that a controller chooses. */
export type Key = string;

export type Action =
  | { readonly kind: 'await-change' }
  | { readonly kind: 'requeue'; readonly afterMs: number };

export const awaitChange: Action = { kind: 'await-change' };
export const requeue = (afterMs: number): Action => ({ kind: 'requeue', afterMs });

/** A cache that a controller watches, and the keys that a change in it stands for. */
export interface Source {
  readonly cache: Cache<KubeObject>;
  keys(change: Change<KubeObject>): Iterable<Key>;
}

/** A source from a cache and a function of its own type. */
export const watches = <T extends KubeObject>(
  cache: Cache<T>,
  keys: (object: T, change: Change<T>) => Iterable<Key>,
): Source => ({
  cache,
  keys: (change: Change<T>) => keys(change.object, change),
});

export interface Controller {
  readonly name: string;
  readonly sources: readonly Source[];
  reconcile(key: Key, signal: AbortSignal): Promise<Action>;
}

export interface RunOptions {
  readonly controllers: readonly Controller[];
  readonly concurrency?: number | ((name: string) => number);
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly metrics?: Registry;
}
