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
  isLate: boolean;
}

/** Batches under way at once: while that many are, what is asked gathers into the next. */
const AT_ONCE = 2;

/** One stream to one leader. Requests of one turn of the event loop, or of one round trip under load, travel together. */
export class SlotStream {
  readonly #call: ClientDuplexStream<TakeRequests, TakeReplies>;
  readonly #sent: Waiting[][] = [];
  readonly #now: () => number;
  #heardAt = 0;
  #gathered: Waiting[] = [];
  #isDue = false;
  #canWrite = true;
  #ended: Error | undefined;

  /** `onEnd` is told once, when the stream can be used no more. */
  constructor(client: SlotsClient, now: () => number, onEnd: () => void) {
    this.#call = client.Take();
    this.#now = now;
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

  /** Milliseconds for which the leader has owed an answer and said nothing. */
  get silentMs(): number {
    return this.#sent.length > 0 ? this.#now() - this.#heardAt : 0;
  }

  /** Throws when the stream ends before the answer, or the answer is late. */
  take(request: TakeRequest, timeoutMs: number): Promise<TakeReply> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.isLate = true;
        reject(new Error(`no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      const waiting: Waiting = {
        request,
        resolve: (reply) => {
          clearTimeout(timer);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
        isLate: false,
      };
      this.#gathered.push(waiting);
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
    if (this.#ended || !this.#canWrite || this.#sent.length >= AT_ONCE) return;
    // Nobody waits for these any more: no slot is to be given for them.
    const batch = this.#gathered.filter(({ isLate }) => !isLate);
    this.#gathered = [];
    if (batch.length === 0) return;
    if (this.#sent.length === 0) this.#heardAt = this.#now();
    this.#sent.push(batch);
    this.#canWrite = this.#call.write({ requests: batch.map(({ request }) => request) });
  }

  #answer(replies: readonly TakeReply[]): void {
    this.#heardAt = this.#now();
    for (const [at, { resolve, reject }] of (this.#sent.shift() ?? []).entries()) {
      const reply = replies[at];
      if (reply) resolve(reply);
      else reject(new Error('an empty answer'));
    }
    this.#flush();
  }
}
