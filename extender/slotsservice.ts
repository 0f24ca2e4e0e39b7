import { type ServerDuplexStream, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { isGated } from '../api/hold.ts';
import { PIN } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import type { TakeReplies, TakeReply, TakeRequest, TakeRequests } from '../api/pinning.ts';
import type { Logger } from '../kube/log.ts';
import type { State } from './state.ts';
import { type Asking, type Grant, retakeSlot, takeSlot } from './take.ts';

/** An admission request is repeated within seconds or never. */
const REPLAY_MS = 60_000;
const REPLAYS_KEPT = 10_000;
/** Pods that the leader before us gave slots to are in the cache by then. */
const SETTLE_MS = 1_000;

type Call = ServerDuplexStream<TakeRequests, TakeReplies>;

const NO_LEADER = 'this replica does not lead';

const give = ({ intent, way, reason }: Extract<Grant, { way: string }>): TakeReply => ({
  nodeName: intent.nodeName,
  intentId: intent.id,
  plan: intent.plan,
  way,
  reason,
});

const refuse = (reason: string): TakeReply => ({ nodeName: '', intentId: '', plan: '', way: '', reason });

/** Gives slots while it leads; the same request gets the same answer. */
export class SlotGiver {
  readonly #replies = new Map<string, { readonly reply: TakeReply; readonly until: number }>();
  readonly #log: Logger;
  readonly #now: () => number;
  #state: State | undefined;
  #since = 0;
  readonly #calls = new Set<Call>();

  constructor(o: { readonly log: Logger; readonly now: () => number }) {
    this.#log = o.log;
    this.#now = o.now;
  }

  /** From now on slots are given from this state; undefined while another replica leads. */
  lead(state: State | undefined): void {
    this.#state = state;
    this.#since = this.#now();
    if (state) return;
    this.#replies.clear();
    // Whoever asks is to look for the one that leads now.
    for (const call of this.#calls) this.#end(call);
  }

  /** Answers the requests of one webhook until it goes or this replica leads no more. */
  serve(call: Call): void {
    this.#calls.add(call);
    for (const event of ['error', 'cancelled', 'close']) call.on(event, () => this.#calls.delete(call));
    if (!this.#state) {
      this.#end(call);
      return;
    }
    call.on('data', ({ requests }: TakeRequests) => {
      if (call.write({ replies: requests.map((request) => this.take(request)) })) return;
      call.pause();
      call.once('drain', () => call.resume());
    });
    call.on('end', () => call.end());
    call.resume();
  }

  #end(call: Call): void {
    this.#calls.delete(call);
    call.emit('error', { code: status.UNAVAILABLE, details: NO_LEADER });
  }

  take(request: TakeRequest): TakeReply {
    if (!this.#state) return refuse(NO_LEADER);
    if (this.#now() - this.#since < SETTLE_MS) return refuse('this replica has only just begun to lead');
    if (request.dryRun) return this.#show(this.#state, request.ownerUid);
    const known = this.#replies.get(request.requestUid);
    if (known) return known.reply;
    const reply = this.#give(this.#state, request);
    this.#keep(request.requestUid, reply);
    return reply;
  }

  #show(state: State, ownerUid: string): TakeReply {
    const [held] = state.store.by('owner', ownerUid);
    const reason = 'a dry run takes no slot';
    if (!held) return refuse('no plan that runs has a place for this owner');
    return { ...refuse(reason), intentId: held.intent.id, plan: held.intent.plan };
  }

  #give(state: State, request: TakeRequest): TakeReply {
    let pod: Pod;
    try {
      pod = JSON.parse(request.pod) as Pod;
    } catch {
      return refuse('the pod is not JSON');
    }
    try {
      const { requestUid, ownerUid, coexisting } = request;
      const asking: Asking = { requestUid, ownerUid, pod, isCoexisting: coexisting };
      if (pod.spec.nodeName || isGated(pod)) return this.#giveAgain(state, asking);
      const granted = takeSlot(state, asking);
      return granted.intent ? give(granted) : refuse(granted.reason);
    } catch (err) {
      this.#log.warn(
        { err, namespace: request.namespace, owner: request.ownerName },
        'no slot for a pod that cannot be read',
      );
      return refuse('the pod cannot be read');
    }
  }

  /** A reply without a way but with the intent says: take the pin back. */
  #giveAgain(state: State, asking: Asking): TakeReply {
    const again = retakeSlot(state, asking);
    if (!again) return refuse(asking.pod.spec.nodeName ? 'it has its node already' : 'it is held already');
    if (again.intent) return give(again);
    return { ...refuse(again.reason), intentId: asking.pod.metadata.annotations?.[PIN] ?? '' };
  }

  #keep(requestUid: string, reply: TakeReply): void {
    const now = this.#now();
    this.#replies.set(requestUid, { reply, until: now + REPLAY_MS });
    // In order of time: the oldest are first.
    for (const [uid, { until }] of this.#replies) {
      if (until > now && this.#replies.size <= REPLAYS_KEPT) break;
      this.#replies.delete(uid);
    }
  }
}

/** The Slots service of pinning.proto. */
export const slotsService = (giver: SlotGiver): UntypedServiceImplementation => ({
  Take: (call: Call) => giver.serve(call),
});
