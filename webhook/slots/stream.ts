import type { Client, ClientDuplexStream } from '@grpc/grpc-js';
import type {
  SideReply,
  SideRequest,
  TakeReplies,
  TakeReply,
  TakeRequest,
  TakeRequests,
} from '../../api/pinning.ts';

/** The gRPC client of the Slots service, api/pinning.proto. */
export interface GrpcSlotsClient extends Client {
  Take(): ClientDuplexStream<TakeRequests, TakeReplies>;
  ChooseSides(): ClientDuplexStream<SideRequest, SideReply>;
}

interface PendingRequest {
  readonly request: TakeRequest;
  readonly resolve: (reply: TakeReply) => void;
  readonly reject: (error: Error) => void;
  hasTimedOut: boolean;
}

/** Batches without an answer, at most; meanwhile, further requests are queued for the next batch. */
const MAX_PENDING_BATCHES = 2;
/** Delay of reports on used slots, so that many travel in one message. */
const REPORT_DELAY_MS = 50;

/** One stream to one leader. Requests of one turn of the event loop travel in one batch, under load of one round trip. */
export class SlotStream {
  readonly #call: ClientDuplexStream<TakeRequests, TakeReplies>;
  /** Batches without an answer, oldest first: the leader answers in order. */
  readonly #pending: PendingRequest[][] = [];
  readonly #now: () => number;
  readonly #onRecall: (ownerUid: string) => void;
  #heardAt = 0;
  #queue: PendingRequest[] = [];
  #isFlushDue = false;
  #reportTimer: NodeJS.Timeout | undefined;
  #used: string[] = [];
  #returned: string[] = [];
  #canWrite = true;
  #error: Error | undefined;

  /** `onEnd` is called once, when the stream has ended; `onRecall` when the leader recalls an owner's slots. */
  constructor(
    client: GrpcSlotsClient,
    o: {
      readonly now: () => number;
      readonly onEnd: () => void;
      readonly onRecall?: (ownerUid: string) => void;
    },
  ) {
    const { now, onEnd, onRecall } = o;
    this.#call = client.Take();
    this.#now = now;
    this.#onRecall = onRecall ?? (() => {});
    const end = (error: Error): void => {
      if (this.#error) return;
      this.#error = error;
      onEnd();
      for (const { reject } of [...this.#pending.flat(), ...this.#queue]) reject(error);
      this.#pending.length = 0;
      this.#queue = [];
    };
    this.#call.on('data', ({ replies, recalled }: TakeReplies) => {
      for (const ownerUid of recalled ?? []) this.#onRecall(ownerUid);
      if (replies.length > 0) this.#resolveBatch(replies);
    });
    this.#call.on('error', end);
    this.#call.on('end', () => end(new Error("the pod pinner's leader ended the stream of slots")));
    this.#call.on('drain', () => {
      this.#canWrite = true;
      this.#flush();
    });
  }

  /** Milliseconds since the leader was last heard, while it owes an answer; otherwise 0. */
  get silentMs(): number {
    return this.#pending.length > 0 ? this.#now() - this.#heardAt : 0;
  }

  /** Requests a slot. Throws when the stream ends first, or no answer comes within the timeout. */
  take(request: TakeRequest, timeoutMs: number): Promise<TakeReply> {
    if (this.#error) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        pending.hasTimedOut = true;
        reject(new Error(`no answer within ${timeoutMs} ms from the pod pinner's leader`));
      }, timeoutMs);
      const pending: PendingRequest = {
        request,
        resolve: (reply) => {
          clearTimeout(timer);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
        hasTimedOut: false,
      };
      this.#queue.push(pending);
      this.#flushSoon();
    });
  }

  /** Reports that a prefetched slot went to a pod. */
  use(slotUid: string): void {
    this.#used.push(slotUid);
    this.#reportTimer ??= setTimeout(() => {
      this.#reportTimer = undefined;
      this.#flush();
    }, REPORT_DELAY_MS).unref();
  }

  /** Returns slots by their uids: prefetched ones, and those of requests that were answered too late. */
  giveBack(slotUids: readonly string[]): void {
    if (slotUids.length === 0) return;
    this.#returned.push(...slotUids);
    this.#flushSoon();
  }

  /** Reports used and returned slots at once. */
  report(): void {
    this.#flushSoon();
  }

  close(): void {
    this.#call.cancel();
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#error || !this.#canWrite) return;
    const batch = this.#pending.length < MAX_PENDING_BATCHES ? this.#nextBatch() : [];
    const [used, returned] = [this.#used, this.#returned];
    if (batch.length + used.length + returned.length === 0) return;
    [this.#used, this.#returned] = [[], []];
    this.#canWrite = this.#call.write({ requests: batch.map(({ request }) => request), used, returned });
  }

  #nextBatch(): readonly PendingRequest[] {
    // A slot for a request that timed out would stay unused.
    const batch = this.#queue.filter(({ hasTimedOut }) => !hasTimedOut);
    this.#queue = [];
    if (batch.length === 0) return batch;
    if (this.#pending.length === 0) this.#heardAt = this.#now();
    this.#pending.push(batch);
    return batch;
  }

  #resolveBatch(replies: readonly TakeReply[]): void {
    this.#heardAt = this.#now();
    for (const [index, { request, resolve, reject, hasTimedOut }] of (
      this.#pending.shift() ?? []
    ).entries()) {
      const reply = replies[index];
      // Its pod has been created without a place, and waits for the slot that it was given too late.
      if (reply && hasTimedOut)
        this.giveBack([
          ...(reply.way === '' ? [] : [request.requestUid]),
          ...(reply.ahead ?? []).map(({ uid }) => uid),
        ]);
      else if (reply) resolve(reply);
      else reject(new Error("the pod pinner's leader answered fewer requests than the batch holds"));
    }
    this.#flush();
  }
}
