import {
  loadPinningServices,
  type SideReply,
  type SideRequest,
  type TakeReply,
  type TakeRequest,
} from '../../api/pinning.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { dialPeer, findPeer, type PeerTarget } from '../../kube/grpc/peer.ts';
import { SlotPrefetcher } from './prefetcher.ts';
import { SideStream } from './sidestream.ts';
import { type GrpcSlotsClient, SlotStream } from './stream.ts';

/**
 * Takes a slot for a pod at the pod pinner's leader; throws when there is no leader or its answer is late.
 * `templateKey` is equal for pods of one template, undefined where a prefetched slot won't do.
 */
export type TakeSlot = (request: TakeRequest, templateKey: string | undefined) => Promise<TakeReply>;

/** Asks the pod pinner's leader for the side of a pod; throws when there is no leader or its answer is late. */
export type ChooseSide = (request: SideRequest) => Promise<SideReply>;

/** Age at which the leader is looked up again, in the background. */
const LEADER_TTL_MS = 5_000;
/** Time between two lookups, so that not every pod causes one while there is no leader. */
const LOOKUP_INTERVAL_MS = 200;
/** Silence after which a stream that owes an answer is replaced, although its leader still holds the Lease. */
const SILENCE_LIMIT_MS = 5_000;

interface Connection {
  readonly target: PeerTarget;
  readonly stream: SlotStream;
  readonly prefetcher: SlotPrefetcher;
  readonly sides: SideStream;
  readonly close: () => void;
}

export interface SlotsClientOptions {
  readonly client: KubeClient;
  /** The Lease of the pod pinner's leader. */
  readonly lease: { readonly namespace: string; readonly name: string };
  readonly token: () => Promise<string>;
  readonly timeoutMs: number;
  /** Milliseconds. */
  readonly now: () => number;
}

const isSame = (a: PeerTarget, b: PeerTarget): boolean =>
  a.address === b.address && a.certificate === b.certificate;

/** Slots from the pod pinner's leader, over one stream that stays open and follows the leader. */
export class SlotsClient {
  readonly #o: SlotsClientOptions;
  readonly #definition = loadPinningServices().slots;
  #connection: Connection | undefined;
  #lookup: Promise<Connection> | undefined;
  #foundAt = 0;
  #lookedUpAt = 0;
  #isClosed = false;

  constructor(o: SlotsClientOptions) {
    this.#o = o;
  }

  /** Tries once; the timeout covers finding the leader as well. */
  readonly take: TakeSlot = (request, templateKey) =>
    this.#ask(({ prefetcher }, timeoutMs) => prefetcher.take(request, templateKey, timeoutMs));

  /** Tries once, like take. */
  readonly choose: ChooseSide = (request) =>
    this.#ask(({ sides }, timeoutMs) => sides.choose(request, timeoutMs));

  async #ask<T>(ask: (connection: Connection, timeoutMs: number) => Promise<T>): Promise<T> {
    const { timeoutMs, now } = this.#o;
    const current = this.#connection;
    if (!current) return this.#connectAndAsk(ask);
    if (now() - this.#foundAt >= LEADER_TTL_MS) void this.#findLeader().catch(() => {});
    try {
      return await ask(current, timeoutMs);
    } catch (error) {
      // The next request looks the leader up: this one may have lost its Lease, or hang.
      this.#foundAt = 0;
      if (current.stream.silentMs >= SILENCE_LIMIT_MS) this.#abandon(current);
      throw error;
    }
  }

  /** Connects to the leader, so that the first pod does not wait for it. */
  async connect(): Promise<void> {
    if (!this.#connection) await this.#findLeader();
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Sends no more requests, and closes the connection once pending answers had their time. */
  #abandon(connection: Connection): void {
    if (this.#connection === connection) this.#connection = undefined;
    connection.prefetcher.end();
    setTimeout(connection.close, this.#o.timeoutMs).unref();
  }

  async #connectAndAsk<T>(ask: (connection: Connection, timeoutMs: number) => Promise<T>): Promise<T> {
    const { timeoutMs, now } = this.#o;
    const deadline = now() + timeoutMs;
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error(`no leader of the pod pinner found within ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      const connection = await Promise.race([this.#findLeader(), timeout]);
      return await ask(connection, Math.max(1, deadline - now()));
    } finally {
      clearTimeout(timer);
    }
  }

  #findLeader(): Promise<Connection> {
    const now = this.#o.now();
    if (!this.#lookup && now - this.#lookedUpAt < LOOKUP_INTERVAL_MS) {
      return Promise.reject(
        new Error(`no leader of the pod pinner was found less than ${LOOKUP_INTERVAL_MS} ms ago`),
      );
    }
    this.#lookedUpAt = now;
    this.#lookup ??= this.#connectToLeader().finally(() => {
      this.#lookup = undefined;
    });
    return this.#lookup;
  }

  async #connectToLeader(): Promise<Connection> {
    const { client, lease, now } = this.#o;
    const target = await findPeer(client, lease);
    if (!target) throw new Error(`no pod pinner holds the Lease ${lease.namespace}/${lease.name}`);
    if (this.#isClosed) throw new Error('the webhook is shutting down');
    this.#foundAt = now();
    const current = this.#connection;
    if (current && isSame(current.target, target)) return current;
    if (current) this.#abandon(current);
    const connection = this.#dial(target);
    this.#connection = connection;
    return connection;
  }

  #dial(target: PeerTarget): Connection {
    const client = dialPeer(target, {
      definition: this.#definition,
      token: this.#o.token,
    }) as unknown as GrpcSlotsClient;
    const stream = new SlotStream(client, {
      now: this.#o.now,
      onEnd: () => this.#abandon(connection),
      onRecall: (ownerUid) => prefetcher.recall(ownerUid),
    });
    const prefetcher = new SlotPrefetcher(stream, this.#o.now);
    const sides = new SideStream(client);
    const connection: Connection = {
      target,
      stream,
      prefetcher,
      sides,
      close: () => {
        stream.close();
        sides.close();
        client.close();
      },
    };
    return connection;
  }
}
