import type { Registry } from 'prom-client';
import type { KubeObject } from '../api/objects.ts';
import type { Resource } from '../api/resources.ts';
import type { KubeClient } from './client.ts';
import type { Logger } from './log.ts';

export type Change<T extends KubeObject> =
  | { readonly type: 'add'; readonly object: T }
  | { readonly type: 'update'; readonly object: T; readonly old: T }
  | { readonly type: 'delete'; readonly object: T };

/** A local copy of one kind, kept up to date by list and watch. Keys are 'namespace/name', or 'name'. */
export interface Cache<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly size: number;
  readonly hasSynced: boolean;
  get(key: string): T | undefined;
  list(): readonly T[];
  by(index: string, value: string): readonly T[];
  /** Objects already here are handed over as adds at once. A handler that throws is counted and logged. */
  onChange(handler: (change: Change<T>) => void): () => void;
  synced(signal?: AbortSignal): Promise<void>;
  start(signal: AbortSignal): void;
}

export interface CacheOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly trim?: (raw: T) => T;
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
  readonly log: Logger;
  readonly metrics?: Registry;
}

/** The key of an object in its cache: 'namespace/name', or 'name' where it has no namespace. */
export const keyOf = (object: KubeObject): string =>
  object.metadata.namespace ? `${object.metadata.namespace}/${object.metadata.name}` : object.metadata.name;
