import type { Client, ClientDuplexStream } from '@grpc/grpc-js';
import type { TakeReplies, TakeReply, TakeRequest, TakeRequests } from '../../api/pinning.ts';

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
/** Nobody waits to hear which slots in hand were used: many are told at once. */
const TELL_MS = 50;

/** One stream to one leader. Requests of one turn of the event loop, or of one round trip under load, travel together. */
export class SlotStream {
  readonly #call: ClientDuplexStream<TakeRequests, TakeReplies>;
  readonly #sent: Waiting[][] = [];
  readonly #now: () => number;
  #heardAt = 0;
  #gathered: Waiting[] = [];
  #isDue = false;
  #telling: NodeJS.Timeout | undefined;
  #used: string[] = [];
  #returned: string[] = [];
  #canWrite = true;
  #ended: Error | undefined;
  readonly #onRecall: (ownerUid: string) => void;

  /**
   * `onEnd` is told once, when the stream can be used no more; `onRecall` when the leader wants the slots of an owner
   * back that it gave in advance.
   */
  constructor(
    client: SlotsClient,
    o: {
      readonly now: () => number;
      readonly onEnd: () => void;
      readonly onRecall?: (ownerUid: string) => void;
    },
  ) {
    const { now, onEnd } = o;
    this.#call = client.Take();
    this.#now = now;
    this.#onRecall = o.onRecall ?? (() => {});
    const end = (error: Error): void => {
      if (this.#ended) return;
      this.#ended = error;
      onEnd();
      for (const { reject } of [...this.#sent.flat(), ...this.#gathered]) reject(error);
      this.#sent.length = 0;
      this.#gathered = [];
    };
    this.#call.on('data', ({ replies, recalled }: TakeReplies) => {
      for (const ownerUid of recalled ?? []) this.#onRecall(ownerUid);
      if (replies.length > 0) this.#answer(replies);
    });
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
      this.#flushSoon();
    });
  }

  /** A slot that was given in advance went to a pod. */
  use(uid: string): void {
    this.#used.push(uid);
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#flush();
    }, TELL_MS).unref();
  }

  /** Slots that were given in advance are not wanted any more. */
  giveBack(uids: readonly string[]): void {
    if (uids.length === 0) return;
    this.#returned.push(...uids);
    this.#flushSoon();
  }

  /** What was used or given back is told now. */
  tell(): void {
    this.#flushSoon();
  }

  close(): void {
    this.#call.cancel();
  }

  #flushSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#ended || !this.#canWrite) return;
    const batch = this.#sent.length < AT_ONCE ? this.#nextBatch() : [];
    const [used, returned] = [this.#used, this.#returned];
    if (batch.length + used.length + returned.length === 0) return;
    [this.#used, this.#returned] = [[], []];
    this.#canWrite = this.#call.write({ requests: batch.map(({ request }) => request), used, returned });
  }

  #nextBatch(): readonly Waiting[] {
    // Nobody waits for the late ones any more: no slot is to be given for them.
    const batch = this.#gathered.filter(({ isLate }) => !isLate);
    this.#gathered = [];
    if (batch.length === 0) return batch;
    if (this.#sent.length === 0) this.#heardAt = this.#now();
    this.#sent.push(batch);
    return batch;
  }

  #answer(replies: readonly TakeReply[]): void {
    this.#heardAt = this.#now();
    for (const [at, { resolve, reject, isLate }] of (this.#sent.shift() ?? []).entries()) {
      const reply = replies[at];
      if (reply && isLate) this.giveBack((reply.ahead ?? []).map(({ uid }) => uid));
      else if (reply) resolve(reply);
      else reject(new Error('an empty answer'));
    }
    this.#flush();
  }
}
