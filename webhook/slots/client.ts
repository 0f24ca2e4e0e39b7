import { loadPinningServices, type TakeReply, type TakeRequest } from '../../api/pinning.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { dialPeer, findPeer, type PeerTarget } from '../../kube/grpc/peer.ts';
import { Hand } from './prefetcher.ts';
import { SlotStream, type SlotsClient } from './stream.ts';

/**
 * A slot for a pod from the pod pinner's leader; `shape` is the pod without its name, undefined where the leader has to
 * see this very pod. Throws when nobody leads or the answer is late.
 */
export type TakeSlot = (request: TakeRequest, shape: string | undefined) => Promise<TakeReply>;

/** How long a leader that was found is taken for the leader; it is looked up again beside the requests. */
const FOUND_MS = 5_000;
/** While nobody leads, each pod would look for the leader: once in so long is enough. */
const LOOK_AGAIN_MS = 200;
/** A stream that owes an answer for so long is left, though its leader still leads. */
const SILENT_MS = 5_000;

interface Connection {
  readonly target: PeerTarget;
  readonly stream: SlotStream;
  readonly hand: Hand;
  readonly close: () => void;
}

export interface PinnerOptions {
  readonly client: KubeClient;
  readonly lease: { readonly namespace: string; readonly name: string };
  readonly token: () => Promise<string>;
  readonly timeoutMs: number;
  readonly now: () => number;
}

const isSame = (a: PeerTarget, b: PeerTarget): boolean =>
  a.address === b.address && a.certificate === b.certificate;

/** A stream to whoever leads the pod pinner, kept open between requests. */
export class Pinner {
  readonly #o: PinnerOptions;
  readonly #definition = loadPinningServices().slots;
  #connection: Connection | undefined;
  #finding: Promise<Connection> | undefined;
  #foundAt = 0;
  #lookedAt = 0;
  #isClosed = false;

  constructor(o: PinnerOptions) {
    this.#o = o;
  }

  /** One attempt within the time allowed, which covers the search for the leader as well. */
  readonly take: TakeSlot = async (request, shape) => {
    const { timeoutMs, now } = this.#o;
    const known = this.#connection;
    if (!known) return this.#searchAndTake(request, shape);
    if (now() - this.#foundAt >= FOUND_MS) void this.#find().catch(() => {});
    try {
      return await known.hand.take(request, shape, timeoutMs);
    } catch (error) {
      // Whoever does not answer may lead no more, or hang.
      this.#foundAt = 0;
      if (known.stream.silentMs >= SILENT_MS) this.#leave(known);
      throw error;
    }
  };

  /** Looks for the leader and opens the stream, so that the first pod does not have to wait for it. */
  async warm(): Promise<void> {
    if (!this.#connection) await this.#find();
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Asks it no more; what it was asked it may still answer in time. */
  #leave(connection: Connection): void {
    if (this.#connection === connection) this.#connection = undefined;
    connection.hand.end();
    setTimeout(connection.close, this.#o.timeoutMs).unref();
  }

  async #searchAndTake(request: TakeRequest, shape: string | undefined): Promise<TakeReply> {
    const { timeoutMs, now } = this.#o;
    const until = now() + timeoutMs;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no leader within ${timeoutMs} ms`)), timeoutMs);
    try {
      const { hand } = await Promise.race([this.#find(), late]);
      return await hand.take(request, shape, Math.max(1, until - now()));
    } finally {
      clearTimeout(timer);
    }
  }

  #find(): Promise<Connection> {
    const now = this.#o.now();
    if (!this.#finding && now - this.#lookedAt < LOOK_AGAIN_MS)
      return Promise.reject(new Error("the pod pinner's leader was looked for a moment ago"));
    this.#lookedAt = now;
    this.#finding ??= this.#lookUp().finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  async #lookUp(): Promise<Connection> {
    const { client, lease, now } = this.#o;
    const target = await findPeer(client, lease);
    if (!target) throw new Error(`nobody holds the Lease ${lease.namespace}/${lease.name}`);
    if (this.#isClosed) throw new Error('the webhook ends');
    this.#foundAt = now();
    const known = this.#connection;
    if (known && isSame(known.target, target)) return known;
    if (known) this.#leave(known);
    const dialed = this.#dial(target);
    this.#connection = dialed;
    return dialed;
  }

  #dial(target: PeerTarget): Connection {
    const client = dialPeer(target, {
      definition: this.#definition,
      token: this.#o.token,
    }) as unknown as SlotsClient;
    const stream = new SlotStream(client, {
      now: this.#o.now,
      onEnd: () => this.#leave(connection),
      onRecall: (ownerUid) => hand.recall(ownerUid),
    });
    const hand = new Hand(stream, this.#o.now);
    const connection: Connection = {
      target,
      stream,
      hand,
      close: () => {
        stream.close();
        client.close();
      },
    };
    return connection;
  }
}
