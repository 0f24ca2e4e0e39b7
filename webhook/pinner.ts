import type { Client } from '@grpc/grpc-js';
import { loadPinningServices, type TakeReply, type TakeRequest } from '../api/pinning.ts';
import type { KubeClient } from '../kube/client.ts';
import { dialPeer, findPeer, type PeerTarget } from '../kube/peer.ts';

/** Asks the pod pinner's leader for a slot. Throws when nobody leads or the answer is late. */
export type TakeSlot = (request: TakeRequest) => Promise<TakeReply>;

interface SlotsClient extends Client {
  Take(
    request: TakeRequest,
    options: { readonly deadline: number },
    done: (error: Error | null, reply?: TakeReply) => void,
  ): unknown;
}

/** How long a leader that was found is taken for the leader. */
const FOUND_MS = 5_000;

interface Connection {
  readonly target: PeerTarget;
  readonly client: SlotsClient;
}

export interface PinnerOptions {
  readonly client: KubeClient;
  readonly lease: { readonly namespace: string; readonly name: string };
  readonly token: () => Promise<string>;
  readonly timeoutMs: number;
  readonly now: () => number;
}

/** A connection to whoever leads the pod pinner, kept open between requests. */
export class Pinner {
  readonly #o: PinnerOptions;
  readonly #definition = loadPinningServices().slots;
  #connection: Connection | undefined;
  #finding: Promise<Connection> | undefined;
  #foundAt = 0;

  constructor(o: PinnerOptions) {
    this.#o = o;
  }

  /** One attempt within the deadline, which covers the search for the leader as well. */
  readonly take: TakeSlot = async (request) => {
    const { timeoutMs, now } = this.#o;
    const deadline = now() + timeoutMs;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      const connection = await Promise.race([this.#connect(), late]);
      return await Promise.race([this.#call(connection, request, deadline), late]);
    } finally {
      clearTimeout(timer);
    }
  };

  /** Looks for the leader and opens the channel, so that the first pod does not have to wait for it. */
  async warm(): Promise<void> {
    await this.#connect();
  }

  close(): void {
    this.#connection?.client.close();
    this.#connection = undefined;
  }

  #call({ client }: Connection, request: TakeRequest, deadline: number): Promise<TakeReply> {
    return new Promise((resolve, reject) => {
      client.Take(request, { deadline }, (error, reply) => {
        if (reply && !error) return resolve(reply);
        // Whoever does not answer may lead no more: looked up again next time.
        this.#foundAt = 0;
        reject(error ?? new Error('an empty answer'));
      });
    });
  }

  async #connect(): Promise<Connection> {
    const { now } = this.#o;
    if (this.#connection && now() - this.#foundAt < FOUND_MS) return this.#connection;
    this.#finding ??= this.#find().finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  async #find(): Promise<Connection> {
    const { client, lease, token, now } = this.#o;
    const target = await findPeer(client, lease);
    if (!target) throw new Error(`nobody holds the Lease ${lease.namespace}/${lease.name}`);
    const known = this.#connection;
    const isSame =
      known?.target.address === target.address && known.target.certificate === target.certificate;
    if (!known || !isSame) {
      known?.client.close();
      this.#connection = {
        target,
        client: dialPeer(target, { definition: this.#definition, token }) as SlotsClient,
      };
    }
    this.#foundAt = now();
    return this.#connection as Connection;
  }
}
