import { loadPinningServices, type TakeReply, type TakeRequest } from '../api/pinning.ts';
import type { KubeClient } from '../kube/client.ts';
import { dialPeer, findPeer, type PeerTarget } from '../kube/peer.ts';
import { SlotStream, type SlotsClient } from './slotstream.ts';

/** Asks the pod pinner's leader for a slot. Throws when nobody leads or the answer is late. */
export type TakeSlot = (request: TakeRequest) => Promise<TakeReply>;

/** How long a leader that was found is taken for the leader; it is looked up again beside the requests. */
const FOUND_MS = 5_000;

interface Connection {
  readonly target: PeerTarget;
  readonly stream: SlotStream;
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
  #isClosed = false;

  constructor(o: PinnerOptions) {
    this.#o = o;
  }

  /** One attempt within the time allowed, which covers the search for the leader as well. */
  readonly take: TakeSlot = (request) =>
    new Promise((resolve, reject) => {
      const { timeoutMs } = this.#o;
      let asked: Connection | undefined;
      const timer = setTimeout(() => {
        // Whoever does not answer may lead no more, or hang: the next request looks for the leader anew.
        if (asked) this.#leave(asked);
        reject(new Error(`no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      const ask = (connection: Connection): Promise<TakeReply> => {
        asked = connection;
        return connection.stream.take(request);
      };
      const known = this.#connection;
      (known ? ask(known) : this.#find().then(ask)).then(resolve, reject).finally(() => clearTimeout(timer));
      if (known && this.#o.now() - this.#foundAt >= FOUND_MS) void this.#find().catch(() => {});
    });

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
    setTimeout(connection.close, this.#o.timeoutMs).unref();
  }

  #find(): Promise<Connection> {
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
    const stream = new SlotStream(client, () => this.#leave(connection));
    const connection: Connection = {
      target,
      stream,
      close: () => {
        stream.close();
        client.close();
      },
    };
    return connection;
  }
}
