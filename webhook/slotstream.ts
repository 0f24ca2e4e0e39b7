import type { Client, ClientDuplexStream } from '@grpc/grpc-js';
import type { TakeReplies, TakeReply, TakeRequest, TakeRequests } from '../api/pinning.ts';

/** A client of the Slots service of pinning.proto. */
export interface SlotsClient extends Client {
  Take(): ClientDuplexStream<TakeRequests, TakeReplies>;
}

interface Waiting {
  readonly request: TakeRequest;
  readonly resolve: (reply: TakeReply) => void;
  readonly reject: (error: Error) => void;
}

/** Batches under way at once: while that many are, what is asked gathers into the next. */
const AT_ONCE = 2;

/** One stream to one leader. Requests of one turn of the event loop, or of one round trip under load, travel together. */
export class SlotStream {
  readonly #call: ClientDuplexStream<TakeRequests, TakeReplies>;
  readonly #sent: Waiting[][] = [];
  #gathered: Waiting[] = [];
  #isDue = false;
  #canWrite = true;
  #ended: Error | undefined;

  /** `onEnd` is told once, when the stream can be used no more. */
  constructor(client: SlotsClient, onEnd: () => void) {
    this.#call = client.Take();
    const end = (error: Error): void => {
      if (this.#ended) return;
      this.#ended = error;
      onEnd();
      for (const { reject } of [...this.#sent.flat(), ...this.#gathered]) reject(error);
      this.#sent.length = 0;
      this.#gathered = [];
    };
    this.#call.on('data', ({ replies }: TakeReplies) => this.#answer(replies));
    this.#call.on('error', end);
    this.#call.on('end', () => end(new Error("the pod pinner's leader ended the stream")));
    this.#call.on('drain', () => {
      this.#canWrite = true;
      this.#flush();
    });
  }

  /** Throws when the stream ends before the answer. */
  take(request: TakeRequest): Promise<TakeReply> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#gathered.push({ request, resolve, reject });
      if (this.#isDue) return;
      this.#isDue = true;
      setImmediate(() => {
        this.#isDue = false;
        this.#flush();
      });
    });
  }

  close(): void {
    this.#call.cancel();
  }

  #flush(): void {
    if (this.#ended || !this.#canWrite || this.#sent.length >= AT_ONCE || this.#gathered.length === 0) return;
    const batch = this.#gathered;
    this.#gathered = [];
    this.#sent.push(batch);
    this.#canWrite = this.#call.write({ requests: batch.map(({ request }) => request) });
  }

  #answer(replies: readonly TakeReply[]): void {
    for (const [at, { resolve, reject }] of (this.#sent.shift() ?? []).entries()) {
      const reply = replies[at];
      if (reply) resolve(reply);
      else reject(new Error('an empty answer'));
    }
    this.#flush();
  }
}
