import type { ServerUnaryCall, sendUnaryData, UntypedServiceImplementation } from '@grpc/grpc-js';
import { PIN } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import type { TakeReply, TakeRequest } from '../api/pinning.ts';
import type { Logger } from '../kube/log.ts';
import { retakeSlot, takeSlot } from './slots.ts';
import type { State } from './state.ts';

/** An admission request is repeated within seconds or never. */
const REPLAY_MS = 60_000;
const REPLAYS_KEPT = 10_000;
/** Pods that the leader before us gave slots to are in the cache by then. */
const SETTLE_MS = 1_000;

const refuse = (reason: string): TakeReply => ({ nodeName: '', intentId: '', plan: '', way: '', reason });

/** Gives slots while it leads; the same request gets the same answer. */
export class SlotGiver {
  readonly #replies = new Map<string, { readonly reply: TakeReply; readonly until: number }>();
  readonly #log: Logger;
  readonly #now: () => number;
  #state: State | undefined;
  #since = 0;

  constructor(o: { readonly log: Logger; readonly now: () => number }) {
    this.#log = o.log;
    this.#now = o.now;
  }

  /** From now on slots are given from this state; undefined while another replica leads. */
  lead(state: State | undefined): void {
    this.#state = state;
    this.#since = this.#now();
    if (!state) this.#replies.clear();
  }

  take(request: TakeRequest): TakeReply {
    if (!this.#state) return refuse('this replica does not lead');
    if (this.#now() - this.#since < SETTLE_MS) return refuse('this replica has only just begun to lead');
    const known = this.#replies.get(request.requestUid);
    if (known) return known.reply;
    const reply = this.#give(this.#state, request);
    this.#keep(request.requestUid, reply);
    return reply;
  }

  #give(state: State, request: TakeRequest): TakeReply {
    let pod: Pod;
    try {
      pod = JSON.parse(request.pod) as Pod;
    } catch {
      return refuse('the pod is not JSON');
    }
    try {
      if (pod.spec.nodeName) return this.#giveAgain(state, request, pod);
      const { intent, reason } = takeSlot(state, request.requestUid, request.ownerUid, pod);
      if (!intent) return refuse(reason);
      return { nodeName: intent.nodeName, intentId: intent.id, plan: intent.plan, way: 'assign', reason };
    } catch (err) {
      this.#log.warn(
        { err, namespace: request.namespace, owner: request.ownerName },
        'no slot for a pod that cannot be read',
      );
      return refuse('the pod cannot be read');
    }
  }

  /** A reply without a node but with the intent says: take the pin back. */
  #giveAgain(state: State, request: TakeRequest, pod: Pod): TakeReply {
    const again = retakeSlot(state, request.requestUid, request.ownerUid, pod);
    if (!again) return refuse('it has its node already');
    const { intent, reason } = again;
    if (!intent) return { ...refuse(reason), intentId: pod.metadata.annotations?.[PIN] ?? '' };
    return { nodeName: intent.nodeName, intentId: intent.id, plan: intent.plan, way: 'assign', reason };
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
  Take: (call: ServerUnaryCall<TakeRequest, TakeReply>, callback: sendUnaryData<TakeReply>) =>
    callback(null, giver.take(call.request)),
});
