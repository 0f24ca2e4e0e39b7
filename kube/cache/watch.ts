import type { KubeObject } from '../../api/objects.ts';
import { pathOf, type Resource } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import { aborted, fromNetwork, fromStatus, isAborted, KubeError, type Status } from '../errors.ts';
import { ACCEPT_WATCH, EventReader, isProtobuf } from '../protobuf/envelope.ts';
import { type Message, WireError } from '../protobuf/message.ts';
import { LineSplitter } from './linesplitter.ts';
import { withoutManagedFields } from './managedfields.ts';

/** The collection to list and watch, and how long to wait for the server. */
export interface Scope<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Milliseconds without a byte, bookmarks included, after which a watch counts as dead. */
  readonly inactivityMs: number;
  /** The protobuf fields to read; without it everything comes as JSON. */
  readonly schema?: Message | undefined;
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: KubeObject };

export interface WatchOptions {
  /** The version to resume from; undefined for all objects followed by their changes (WatchList). */
  readonly resourceVersion?: string | undefined;
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
}

export const collectionOf = (scope: Scope<KubeObject>): string =>
  pathOf(scope.resource, scope.namespace ? { namespace: scope.namespace } : {});

export const selectorsOf = (scope: Scope<KubeObject>): Record<string, string> => ({
  ...(scope.labelSelector && { labelSelector: scope.labelSelector }),
  ...(scope.fieldSelector && { fieldSelector: scope.fieldSelector }),
});

interface RawEvent<T> {
  readonly type: WatchEvent<T>['type'] | 'ERROR';
  readonly object: T;
}

/** The events that each chunk of a watch completes. Throws KubeError for unreadable bytes. */
type ReadEvents<T> = (chunk: Buffer) => Iterable<RawEvent<T>>;

const readJson = <T extends KubeObject>(server: string): ReadEvents<T> => {
  const lines = new LineSplitter();
  return function* (chunk) {
    for (const line of lines.push(chunk)) {
      try {
        yield JSON.parse(withoutManagedFields(line).toString('utf8')) as RawEvent<T>;
      } catch (cause) {
        if (!(cause instanceof SyntaxError)) throw cause;
        throw fromNetwork(server, new Error('an event of the watch was cut short', { cause }));
      }
    }
  };
};

const readProtobuf = <T extends KubeObject>(server: string, schema: Message): ReadEvents<T> => {
  const events = new EventReader(schema);
  return function* (chunk) {
    try {
      yield* events.push(chunk) as Iterable<RawEvent<T>>;
    } catch (cause) {
      if (!(cause instanceof WireError)) throw cause;
      const message = `the API server ${server} sent an event that can't be read: ${cause.message}`;
      throw new KubeError(message, { kind: 'retryable', cause });
    }
  };
};

const unlessError = <T extends KubeObject>(server: string, event: RawEvent<T>): WatchEvent<T> => {
  if (event.type !== 'ERROR') return event as WatchEvent<T>;
  const status = event.object as unknown as Status;
  throw fromStatus({ server, status: status.code ?? 500 }, status);
};

/** True when the protobuf was unreadable, so that the watch should go on in JSON. */
export const isUnreadable = (e: unknown): boolean => e instanceof KubeError && e.cause instanceof WireError;

/**
 * One watch request, from its start until the server ends it. Throws KubeError: gone when the version is too old to
 * go on from, retryable when the connection broke.
 */
export const watch = async <T extends KubeObject>(
  scope: Scope<T>,
  o: WatchOptions,
  onEvent: (event: WatchEvent<T>) => void,
): Promise<void> => {
  const { client, schema } = scope;
  const initial = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' };
  const response = await client.stream(collectionOf(scope), {
    query: {
      ...selectorsOf(scope),
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(o.timeoutSeconds),
      ...(o.resourceVersion === undefined ? initial : { resourceVersion: o.resourceVersion }),
    },
    signal: o.signal,
    inactivityMs: scope.inactivityMs,
    ...(schema && { accept: ACCEPT_WATCH }),
  });
  const read =
    schema && isProtobuf(response.headers['content-type'])
      ? readProtobuf<T>(client.server, schema)
      : readJson<T>(client.server);
  try {
    for await (const chunk of response)
      for (const event of read(chunk as Buffer)) {
        if (o.signal.aborted) return;
        onEvent(unlessError(client.server, event));
      }
  } catch (e) {
    if (o.signal.aborted) throw aborted(o.signal);
    if (isAborted(e) || e instanceof KubeError) throw e;
    throw fromNetwork(client.server, e);
  } finally {
    response.destroy();
  }
};
