import { isGated } from '../../api/heldpods.ts';
import { PIN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { REPLAYS, type SlotAhead, type TakeReply, type TakeRequest } from '../../api/pinning.ts';
import type { Logger } from '../../kube/component/log.ts';
import { TtlCache } from '../../kube/ttlcache.ts';
import {
  allocateSlot,
  type Grant,
  prefetchSlots,
  reallocateSlot,
  type SlotRequest,
} from '../placement/allocate.ts';
import type { State } from '../placement/state.ts';
import { PrefetchedSlots } from './prefetched.ts';

/** Pods that the leader before us gave slots to are in the cache by then. */
const SETTLE_MS = 1_000;

export const NO_LEADER = 'this replica does not lead';

const give = ({ intent, way, reason }: Extract<Grant, { way: string }>): TakeReply => ({
  nodeName: intent.nodeName,
  intentId: intent.id,
  plan: intent.plan,
  way,
  reason,
});

const refuse = (reason: string): TakeReply => ({ nodeName: '', intentId: '', plan: '', way: '', reason });

const readPod = (text: string): Pod | undefined => {
  try {
    return JSON.parse(text) as Pod;
  } catch {
    return undefined;
  }
};

/** Who is to hear that slots in advance are wanted back, of one owner, or that nothing is given any more. */
export interface SlotWatcher {
  recall(ownerUid: string): void;
  end(): void;
}

/** Gives slots while it leads; the same request gets the same answer. */
export class SlotAllocator {
  readonly #replies: TtlCache<TakeReply>;
  readonly #ahead: PrefetchedSlots;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #watchers = new Set<SlotWatcher>();
  #state: State | undefined;
  #since = 0;
  #unsubscribe: (() => void)[] = [];

  constructor(o: { readonly log: Logger; readonly now: () => number }) {
    this.#log = o.log;
    this.#now = o.now;
    this.#replies = new TtlCache({ ...REPLAYS, now: o.now });
    this.#ahead = new PrefetchedSlots(o.now);
  }

  get isLeading(): boolean {
    return this.#state !== undefined;
  }

  /** From now on slots are given from this state; undefined while another replica leads. */
  lead(state: State | undefined): void {
    this.#state = state;
    this.#since = this.#now();
    for (const end of this.#unsubscribe) end();
    this.#unsubscribe = state ? this.#watchState(state) : [];
    if (state) return;
    this.#replies.clear();
    this.#ahead.clear();
    for (const watcher of this.#watchers) watcher.end();
  }

  watch(watcher: SlotWatcher): void {
    this.#watchers.add(watcher);
  }

  /** Answers one request. What is refused because slots are out in advance may be asked again when they are back. */
  take(request: TakeRequest): TakeReply {
    if (!this.#state) return refuse(NO_LEADER);
    if (this.#now() - this.#since < SETTLE_MS) return refuse('this replica has only just begun to lead');
    if (request.dryRun) return this.#answerDryRun(this.#state, request.ownerUid);
    const known = this.#replies.get(request.requestUid);
    if (known) return known;
    const reply = this.#give(this.#state, request);
    if (request.isAheadOnly) return reply;
    if (reply.way !== '' || !this.#ahead.isOut(request.ownerUid)) {
      const { ahead: _, ...kept } = reply;
      this.#replies.set(request.requestUid, kept);
    }
    return reply;
  }

  /** A slot that was given in advance went to a pod. */
  use(uid: string): void {
    if (this.#ahead.end(uid)) this.#state?.assumedPods.renew(uid);
  }

  /** A slot that was given in advance is free again. */
  giveBack(uid: string): void {
    const slot = this.#ahead.end(uid);
    if (!slot || !this.#state) return;
    const { assumedPods } = this.#state;
    // Grants of one intent are alike: this one may have been taken for that of a pod which has shown up.
    const { intentId, nodeName } = slot.reply;
    const grant = assumedPods.has(uid) ? uid : assumedPods.grantOf(intentId, nodeName)?.uid;
    if (grant !== undefined) assumedPods.forget(grant);
  }

  /** Whether slots of this owner are out in advance. */
  isOut(ownerUid: string): boolean {
    return this.#ahead.isOut(ownerUid);
  }

  /** Wants the slots of an owner back that are out in advance; those that are not back by then are given up. */
  async recall(ownerUid: string, timeoutMs: number): Promise<void> {
    this.#tellRecall(ownerUid);
    await this.#ahead.returned(ownerUid, timeoutMs);
  }

  /** What was given in advance may hold no more when its intent changes or its node goes. */
  #watchState(state: State): (() => void)[] {
    return [
      state.store.onChange(({ type, object: { intent } }) => {
        if (type !== 'add') this.#tellRecall(intent.pin?.owner?.uid ?? '');
      }),
      state.nodes.onChange(({ type, object }) => {
        if (type !== 'delete') return;
        for (const { intent } of state.store.by('node', object.metadata.name))
          this.#tellRecall(intent.pin?.owner?.uid ?? '');
      }),
    ];
  }

  #tellRecall(ownerUid: string): void {
    if (!this.#ahead.isOut(ownerUid)) return;
    for (const watcher of this.#watchers) watcher.recall(ownerUid);
  }

  #answerDryRun(state: State, ownerUid: string): TakeReply {
    const [held] = state.store.by('owner', ownerUid);
    const reason = 'a dry run takes no slot';
    if (!held) return refuse('no plan that runs has a place for this owner');
    return { ...refuse(reason), intentId: held.intent.id, plan: held.intent.plan };
  }

  #give(state: State, request: TakeRequest): TakeReply {
    const pod = readPod(request.pod);
    if (!pod) return refuse('the pod is not JSON');
    try {
      const { requestUid, ownerUid, coexisting } = request;
      const slotRequest: SlotRequest = { requestUid, ownerUid, pod, isCoexisting: coexisting };
      if (pod.spec.nodeName || isGated(pod)) return this.#reallocate(state, slotRequest);
      if (request.isAheadOnly) {
        const ahead = this.#prefetch(state, slotRequest, request.ahead ?? 0);
        return { ...refuse('only slots in advance are asked for'), ahead };
      }
      const granted = allocateSlot(state, slotRequest);
      if (!granted.intent) return refuse(granted.reason);
      const ahead = granted.way === 'assign' ? this.#prefetch(state, slotRequest, request.ahead ?? 0) : [];
      return ahead.length > 0 ? { ...give(granted), ahead } : give(granted);
    } catch (err) {
      this.#log.warn(
        { err, namespace: request.namespace, owner: request.ownerName },
        'no slot for a pod that cannot be read',
      );
      return refuse('the pod cannot be read');
    }
  }

  #prefetch(state: State, slotRequest: SlotRequest, count: number): readonly SlotAhead[] {
    return prefetchSlots(state, slotRequest, count).map(({ uid, grant }) => {
      const slot = { uid, reply: give(grant) };
      this.#ahead.begin(slotRequest.ownerUid, slot);
      return slot;
    });
  }

  /** A reply without a way but with the intent says: take the pin back. */
  #reallocate(state: State, slotRequest: SlotRequest): TakeReply {
    const again = reallocateSlot(state, slotRequest);
    if (!again)
      return refuse(slotRequest.pod.spec.nodeName ? 'it has its node already' : 'it is held already');
    if (again.intent) return give(again);
    return { ...refuse(again.reason), intentId: slotRequest.pod.metadata.annotations?.[PIN] ?? '' };
  }
}
