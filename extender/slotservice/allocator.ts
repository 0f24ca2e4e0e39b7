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
import { slotsOf } from '../placement/slotcount.ts';
import { ownerUidOf, type State } from '../placement/state.ts';
import { PrefetchedSlots } from './prefetched.ts';

/** The time in which the cache shows the pods that the previous leader granted slots to. */
const CATCH_UP_MS = 1_000;

export const NO_LEADER = 'this replica does not lead';

const grantReply = ({ intent, way, reason }: Extract<Grant, { way: string }>): TakeReply => ({
  nodeName: intent.nodeName,
  intentId: intent.id,
  plan: intent.plan,
  way,
  reason,
});

const refusalReply = (reason: string): TakeReply => ({
  nodeName: '',
  intentId: '',
  plan: '',
  way: '',
  reason,
});

/** The pod of a request, in the namespace that the API server creates it in. */
const parsePod = ({ pod: text, namespace }: TakeRequest): Pod | undefined => {
  try {
    const pod = JSON.parse(text) as Pod;
    return { ...pod, metadata: { ...pod.metadata, namespace } };
  } catch {
    return undefined;
  }
};

/** A reply belongs to the owner that it was given to, whoever repeats the request's uid. */
const replayKeyOf = ({ requestUid, namespace, ownerUid }: TakeRequest): string =>
  `${requestUid}/${namespace}/${ownerUid}`;

/** Called when prefetched slots of an owner are recalled, and when this replica stops to lead. */
export interface SlotListener {
  recall(ownerUid: string): void;
  end(): void;
}

/** Grants slots while this replica leads; a repeated request gets the same reply. */
export class SlotAllocator {
  readonly #replies: TtlCache<TakeReply>;
  /** The keys of such replies, by the uids of their requests. */
  readonly #keys: TtlCache<string>;
  readonly #prefetched: PrefetchedSlots;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #listeners = new Set<SlotListener>();
  /** Requests that wait for a pod of an owner to leave its node, by the owner's uid. */
  readonly #waiters = new Map<string, Set<() => void>>();
  #state: State | undefined;
  #leadingSince = 0;
  #unsubscribe: (() => void)[] = [];

  constructor(o: { readonly log: Logger; readonly now: () => number }) {
    this.#log = o.log;
    this.#now = o.now;
    this.#replies = new TtlCache({ ...REPLAYS, now: o.now });
    this.#keys = new TtlCache({ ...REPLAYS, now: o.now });
    this.#prefetched = new PrefetchedSlots(o.now);
  }

  get isLeading(): boolean {
    return this.#state !== undefined;
  }

  /** Starts to grant slots from this state; undefined stops it. */
  lead(state: State | undefined): void {
    this.#state = state;
    this.#leadingSince = this.#now();
    for (const end of this.#unsubscribe) end();
    this.#unsubscribe = state ? this.#watchState(state) : [];
    if (state) return;
    this.#replies.clear();
    this.#keys.clear();
    this.#prefetched.clear();
    for (const listener of this.#listeners) listener.end();
  }

  listen(listener: SlotListener): void {
    this.#listeners.add(listener);
  }

  /**
   * Answers one request. A refusal is final only when no slots of the owner are prefetched or may open; otherwise ask
   * again later.
   */
  take(request: TakeRequest): TakeReply {
    if (!this.#state) return refusalReply(NO_LEADER);
    if (this.#now() - this.#leadingSince < CATCH_UP_MS)
      return refusalReply('this replica has just become the leader');
    if (request.dryRun) return this.#answerDryRun(this.#state, request.ownerUid);
    const key = replayKeyOf(request);
    const replayed = this.#replies.get(key);
    if (replayed) return replayed;
    const reply = this.#allocate(this.#state, request);
    if (request.isAheadOnly) return reply;
    const isFinal =
      reply.way !== '' || !(this.#prefetched.hasAny(request.ownerUid) || this.mayOpen(request.ownerUid));
    if (isFinal) {
      const { ahead: _, ...kept } = reply;
      this.#replies.set(key, kept);
      if (reply.way !== '') this.#keys.set(request.requestUid, key);
    }
    return reply;
  }

  /** Marks a prefetched slot as used by a pod. */
  use(uid: string): void {
    if (this.#prefetched.delete(uid)) this.#state?.assumedPods.renew(uid);
  }

  /** Frees a slot that no pod will use: a prefetched one, or by its request's uid one that was granted too late. */
  giveBack(uid: string): void {
    const reply = this.#prefetched.delete(uid)?.reply ?? this.#forgetReply(uid);
    if (!reply || !this.#state) return;
    const { assumedPods } = this.#state;
    // Grants of one intent are interchangeable: a pod that appeared may have consumed this one.
    const { intentId, nodeName } = reply;
    const grant = assumedPods.has(uid) ? uid : assumedPods.grantOf(intentId, nodeName)?.uid;
    if (grant !== undefined) assumedPods.forget(grant);
  }

  /** Takes back what was replied to a request; a repeated one is answered anew. */
  #forgetReply(requestUid: string): TakeReply | undefined {
    const key = this.#keys.get(requestUid);
    if (key === undefined) return undefined;
    const reply = this.#replies.get(key);
    this.#keys.delete(requestUid);
    this.#replies.delete(key);
    return reply;
  }

  /** Whether an owner's slots are closed to a new pod, so that one may open as the pod that it replaces goes. */
  mayOpen(ownerUid: string): boolean {
    const slots = this.#state ? slotsOf(this.#state, ownerUid) : [];
    return slots.some(({ closed }) => closed > 0);
  }

  /** Resolves as soon as one of an owner's pods changes or is deleted, or after `timeoutMs`. */
  async untilLeaving(ownerUid: string, timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiters = this.#waiters.get(ownerUid) ?? new Set();
    this.#waiters.set(ownerUid, waiters.add(resolve));
    const timer = setTimeout(resolve, timeoutMs);
    await promise;
    clearTimeout(timer);
    waiters.delete(resolve);
    if (waiters.size === 0 && this.#waiters.get(ownerUid) === waiters) this.#waiters.delete(ownerUid);
  }

  #wake(pod: Pod): void {
    for (const resolve of this.#waiters.get(ownerUidOf(pod)) ?? []) resolve();
  }

  /** Whether webhook replicas hold prefetched slots of this owner. */
  hasPrefetched(ownerUid: string): boolean {
    return this.#prefetched.hasAny(ownerUid);
  }

  /** Asks for an owner's prefetched slots; those not returned in time are given up. */
  async recall(ownerUid: string, timeoutMs: number): Promise<void> {
    this.#notifyRecall(ownerUid);
    await this.#prefetched.untilReturned(ownerUid, timeoutMs);
  }

  /** Recalls prefetched slots that may be wrong, since their intent changed or their node is gone. */
  #watchState(state: State): (() => void)[] {
    return [
      state.pods.onChange((change) => {
        // A surging pod changes its owner.
        if (change.type !== 'add') this.#wake(change.type === 'update' ? change.old : change.object);
      }),
      state.store.onChange(({ type, object: { intent } }) => {
        if (type !== 'add') this.#notifyRecall(intent.pin?.owner?.uid ?? '');
      }),
      state.nodes.onChange(({ type, object }) => {
        if (type !== 'delete') return;
        for (const { intent } of state.store.by('node', object.metadata.name))
          this.#notifyRecall(intent.pin?.owner?.uid ?? '');
      }),
    ];
  }

  #notifyRecall(ownerUid: string): void {
    if (!this.#prefetched.hasAny(ownerUid)) return;
    for (const listener of this.#listeners) listener.recall(ownerUid);
  }

  #answerDryRun(state: State, ownerUid: string): TakeReply {
    const [stored] = state.store.by('owner', ownerUid);
    const reason = 'a dry run takes no slot';
    if (!stored) return refusalReply('no running plan has a place for this owner');
    return { ...refusalReply(reason), intentId: stored.intent.id, plan: stored.intent.plan };
  }

  #allocate(state: State, request: TakeRequest): TakeReply {
    const pod = parsePod(request);
    if (!pod) return refusalReply('the pod is not JSON');
    try {
      const { requestUid, ownerUid, coexisting } = request;
      const slotRequest: SlotRequest = { requestUid, ownerUid, pod, isCoexisting: coexisting };
      if (pod.spec.nodeName || isGated(pod)) return this.#reallocate(state, slotRequest);
      if (request.isAheadOnly) {
        const ahead = this.#prefetch(state, slotRequest, request.ahead ?? 0);
        return { ...refusalReply('only prefetched slots were requested'), ahead };
      }
      const granted = allocateSlot(state, slotRequest);
      if (!granted.intent) return refusalReply(granted.reason);
      const ahead = granted.way === 'assign' ? this.#prefetch(state, slotRequest, request.ahead ?? 0) : [];
      return ahead.length > 0 ? { ...grantReply(granted), ahead } : grantReply(granted);
    } catch (err) {
      this.#log.warn(
        { err, namespace: request.namespace, owner: request.ownerName },
        'slot refused: the pod cannot be read',
      );
      return refusalReply('the pod cannot be read');
    }
  }

  #prefetch(state: State, slotRequest: SlotRequest, count: number): readonly SlotAhead[] {
    return prefetchSlots(state, slotRequest, count).map(({ uid, grant }) => {
      const slot = { uid, reply: grantReply(grant) };
      this.#prefetched.add(slotRequest.ownerUid, slot);
      return slot;
    });
  }

  /** A reply with an intent and no way means that the webhook removes the pin. */
  #reallocate(state: State, slotRequest: SlotRequest): TakeReply {
    const reallocated = reallocateSlot(state, slotRequest);
    if (!reallocated)
      return refusalReply(
        slotRequest.pod.spec.nodeName ? 'the pod already has a node' : 'the pod is already held',
      );
    if (reallocated.intent) return grantReply(reallocated);
    return {
      ...refusalReply(reallocated.reason),
      intentId: slotRequest.pod.metadata.annotations?.[PIN] ?? '',
    };
  }
}
