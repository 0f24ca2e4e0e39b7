import { type ServerDuplexStream, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { TakeReplies, TakeReply, TakeRequest, TakeRequests } from '../../api/pinning.ts';
import type { SideCounter } from '../sides/counter.ts';
import { createSidesCall } from '../sides/grpc.ts';
import { NO_LEADER, type SlotAllocator } from './allocator.ts';

/** Longest delay of other requests by a webhook replica that hangs: the others return slots at once. */
const RECALL_MS = 100;
const MAX_RECALLS = 5;
/**
 * Time in which the pod cache shows an eviction whose successor is being created already: both come from the same
 * write, over different ways.
 */
const OPENING_MS = 200;

type Call = ServerDuplexStream<TakeRequests, TakeReplies>;

/** The streams of the webhook's replicas. Each gets its replies in the order of its requests. */
class SlotStreams {
  readonly #allocator: SlotAllocator;
  readonly #calls = new Set<Call>();
  /** Streams that may hold prefetched slots. */
  readonly #prefetching = new Set<Call>();

  constructor(allocator: SlotAllocator) {
    this.#allocator = allocator;
    allocator.listen({
      recall: (ownerUid) => {
        for (const call of this.#prefetching) call.write({ replies: [], recalled: [ownerUid] });
      },
      // The error makes the webhook look for the new leader.
      end: () => {
        for (const call of this.#calls) this.#end(call);
      },
    });
  }

  /** Answers one webhook replica until it disconnects or this replica stops to lead. */
  serve(call: Call): void {
    this.#calls.add(call);
    for (const event of ['error', 'cancelled', 'close']) call.on(event, () => this.#remove(call));
    if (!this.#allocator.isLeading) {
      this.#end(call);
      return;
    }
    let last: Promise<void> | undefined;
    call.on('data', (message: TakeRequests) => {
      const replies = this.#receive(call, message);
      if (replies.length === 0) return;
      if (!last && replies.every((reply) => !(reply instanceof Promise))) {
        this.#send(call, replies as readonly TakeReply[]);
        return;
      }
      const sent = Promise.all([Promise.all(replies), last]).then(([ready]) => {
        this.#send(call, ready);
        if (last === sent) last = undefined;
      });
      last = sent;
    });
    call.on('end', () => call.end());
    call.resume();
  }

  #receive(
    call: Call,
    { requests, used, returned }: TakeRequests,
  ): readonly (TakeReply | Promise<TakeReply>)[] {
    for (const uid of returned ?? []) this.#allocator.giveBack(uid);
    for (const uid of used ?? []) this.#allocator.use(uid);
    if (requests.some(({ ahead = 0 }) => ahead > 0)) this.#prefetching.add(call);
    return requests.map((request) => this.#answer(request));
  }

  /** Replies at once, or later where slots may return or open for a pod that found none free. */
  #answer(request: TakeRequest): TakeReply | Promise<TakeReply> {
    const reply = this.#allocator.take(request);
    return this.#mayWait(request, reply) ? this.#answerLater(request, reply) : reply;
  }

  #mayWait({ ownerUid, dryRun, isAheadOnly }: TakeRequest, { way }: TakeReply): boolean {
    if (way !== '' || dryRun || isAheadOnly) return false;
    return this.#allocator.hasPrefetched(ownerUid) || this.#allocator.mayOpen(ownerUid);
  }

  async #answerLater(request: TakeRequest, refusal: TakeReply): Promise<TakeReply> {
    let reply = refusal;
    const { ownerUid } = request;
    const deadline = performance.now() + OPENING_MS;
    // Another replica may prefetch the returned slots first.
    for (let recalls = 0; recalls < MAX_RECALLS && this.#mayWait(request, reply); ) {
      const leftMs = deadline - performance.now();
      if (this.#allocator.hasPrefetched(ownerUid)) {
        recalls++;
        await this.#allocator.recall(ownerUid, RECALL_MS);
      } else if (leftMs > 0) await this.#allocator.untilLeaving(ownerUid, leftMs);
      else break;
      reply = this.#allocator.take(request);
    }
    return reply;
  }

  #send(call: Call, replies: readonly TakeReply[]): void {
    if (!this.#calls.has(call) || call.write({ replies })) return;
    call.pause();
    call.once('drain', () => call.resume());
  }

  #remove(call: Call): void {
    this.#calls.delete(call);
    this.#prefetching.delete(call);
  }

  #end(call: Call): void {
    this.#remove(call);
    call.emit('error', { code: status.UNAVAILABLE, details: NO_LEADER });
  }
}

/** The Slots service of pinning.proto. */
export const createSlotsService = (
  allocator: SlotAllocator,
  counter: SideCounter,
): UntypedServiceImplementation => {
  const streams = new SlotStreams(allocator);
  return { Take: (call: Call) => streams.serve(call), ChooseSides: createSidesCall(counter) };
};
