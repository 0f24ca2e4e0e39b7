import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type ClientDuplexStream, connectivityState } from '@grpc/grpc-js';
import type { ClientMessage, ServerMessage } from '../../api/pinning.ts';
import type { Logger } from '../../kube/component/log.ts';
import { isAborted, messageOf } from '../../kube/errors.ts';
import type { Results } from './results.ts';
import type { IntentStore } from './store.ts';

/** A client for the autoscaler's Pinning service. */
export interface Dialed {
  readonly client: Client;
  readonly peer: string;
  /** False when another autoscaler has become the leader. */
  readonly isCurrent: () => Promise<boolean>;
  /** Turns the message of a failed connection into one that says what to do. */
  readonly explain?: (message: string) => string;
}

export interface StreamOptions {
  /** Resolves to undefined while no autoscaler leads. */
  readonly dial: () => Promise<Dialed | undefined>;
  readonly store: IntentStore;
  readonly results: Results;
  readonly clientId: string;
  readonly clusterId: string;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Called with true after the full state was received, and with false when the stream ends. */
  readonly onState?: (isSynced: boolean) => void;
  readonly connectTimeoutMs?: number;
  readonly syncTimeoutMs?: number;
  readonly checkEveryMs?: number;
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  /** Between 0 and 1; spreads the reconnects of many clients. */
  readonly random?: () => number;
}

type Call = ClientDuplexStream<ClientMessage, ServerMessage>;
type PinningClient = Client & { Stream(): Call };

const NO_PEER_MS = 1_000;
/** A stream that lasted this long resets the backoff. */
const HEALTHY_MS = 10_000;

const isReady = (client: Client): boolean =>
  client.getChannel().getConnectivityState(false) === connectivityState.READY;

const applyMessage = (store: IntentStore, results: Results, message: ServerMessage): boolean => {
  const { upsert, removed, synced, version } = message;
  if (upsert) {
    store.upsert(upsert, version);
    results.acknowledge(upsert.id, version);
  } else if (synced) {
    store.endResync(version);
    results.retain((id) => store.get(id) !== undefined);
    return true;
  } else if (removed !== undefined && removed !== '') {
    store.remove(removed, version);
    results.forget(removed);
  }
  return false;
};

/** Runs one stream until it ends; throws the error that ended it. */
const runSession = async (o: StreamOptions, dialed: Dialed): Promise<void> => {
  const { store, results, signal, log } = o;
  // An abort during the dial fires no event any more.
  signal.throwIfAborted();
  const call = (dialed.client as PinningClient).Stream();
  const { promise, reject } = Promise.withResolvers<never>();
  // A refused connection fails its calls, but one that hangs reports nothing.
  const connectTimeoutMs = o.connectTimeoutMs ?? 10_000;
  const connectTimer = setTimeout(
    () => isReady(dialed.client) || reject(new Error(`no connection within ${connectTimeoutMs} ms`)),
    connectTimeoutMs,
  );
  const stop = (): void => reject(new DOMException('stopped', 'AbortError'));
  const syncTimeoutMs = o.syncTimeoutMs ?? 30_000;
  const syncTimer = setTimeout(
    () => reject(new Error(`no full state within ${syncTimeoutMs} ms`)),
    syncTimeoutMs,
  );
  const checkTimer = setInterval(() => {
    dialed.isCurrent().then(
      (isCurrent) => isCurrent || reject(new Error('another autoscaler leads now')),
      (err: unknown) => log.debug({ err }, 'failed to look up the leading autoscaler'),
    );
  }, o.checkEveryMs ?? 5_000);
  signal.addEventListener('abort', stop, { once: true });
  try {
    store.beginResync();
    call.on('data', (message: ServerMessage) => {
      if (!applyMessage(store, results, message)) return;
      clearTimeout(syncTimer);
      results.attach(call);
      log.info({ peer: dialed.peer, intents: store.size, version: message.version }, 'full state received');
      o.onState?.(true);
    });
    call.on('error', reject);
    call.on('end', () => reject(new Error('the autoscaler ended the stream')));
    call.write({ hello: { clientId: o.clientId, clusterId: o.clusterId, lastVersion: store.version } });
    await promise;
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(connectTimer);
    clearTimeout(syncTimer);
    clearInterval(checkTimer);
    results.detach(call);
    o.onState?.(false);
    call.removeAllListeners('data');
    call.on('error', () => {});
    call.cancel();
  }
};

/**
 * Follows the autoscaler's pin stream until the signal aborts. Each reconnect waits with a growing, jittered backoff
 * and receives the full state again.
 */
export const followStream = async (o: StreamOptions): Promise<void> => {
  const { signal, log } = o;
  const { firstMs, maxMs } = o.backoff ?? { firstMs: 200, maxMs: 10_000 };
  const random = o.random ?? Math.random;
  let failures = 0;
  while (!signal.aborted) {
    const since = performance.now();
    let dialed: Dialed | undefined;
    let waitMs = NO_PEER_MS;
    try {
      dialed = await o.dial();
      if (dialed) await runSession(o, dialed);
      else log.debug('no autoscaler leads');
    } catch (error) {
      if (signal.aborted || isAborted(error)) return;
      if (performance.now() - since >= HEALTHY_MS) failures = 0;
      const ceiling = Math.min(maxMs, firstMs * 2 ** failures++);
      waitMs = ceiling * (0.5 + random() / 2);
      const message = messageOf(error);
      const reason = dialed?.explain?.(message) ?? message;
      log.warn(
        { peer: dialed?.peer, reason, retryMs: Math.round(waitMs) },
        'failed streaming pod pinning actions, restarting...',
      );
    } finally {
      dialed?.client.close();
    }
    await sleep(waitMs, undefined, { signal }).catch(() => {});
  }
};
