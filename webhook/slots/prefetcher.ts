import { randomUUID } from 'node:crypto';
import { REPLAYS, type SlotAhead, type TakeReply, type TakeRequest } from '../../api/pinning.ts';
import { TtlCache } from '../../kube/ttlcache.ts';
import type { SlotStream } from './stream.ts';

/** Life of a prefetched slot, short because its node may go and other replicas may need it. */
const SLOT_TTL_MS = 1_000;
/** Time between two requests of one owner above which it gets fewer slots in advance. */
const SLOW_PACE_MS = 1_000;
/** Time between two requests of one owner below which it gets more. */
const FAST_PACE_MS = SLOW_PACE_MS / 4;
/** Time without prefetching for an owner whose slots are scarce. */
const SCARCITY_MS = 1_000;
const MAX_SLOTS_PER_OWNER = 32;
const SWEEP_MS = 250;
/** Age at which an owner without requests is forgotten. */
const OWNER_TTL_MS = 10_000;

interface PrefetchedSlot extends SlotAhead {
  readonly expiresAt: number;
}

/** Prefetched slots of one owner, and how many to ask for next. */
interface OwnerSlots {
  /** The template of the pods that the slots were granted for. */
  readonly templateKey: string;
  readonly slots: PrefetchedSlot[];
  /** How many slots to keep in stock. */
  target: number;
  isRequestPending: boolean;
  requestedAt: number;
  scarceUntil: number;
  /** Counts recalls: slots that were requested before one are returned. */
  recalls: number;
}

/**
 * Prefetches slots for owners whose pods come in quick succession, so that most pods don't wait for a round trip to
 * the leader. Unused and recalled slots are returned; see docs/designs/0012-prefetched-slots.md.
 */
export class SlotPrefetcher {
  readonly #stream: SlotStream;
  readonly #now: () => number;
  readonly #owners = new Map<string, OwnerSlots>();
  readonly #replies: TtlCache<Promise<TakeReply>>;
  #sweepTimer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(stream: SlotStream, now: () => number) {
    this.#stream = stream;
    this.#now = now;
    this.#replies = new TtlCache({ ...REPLAYS, now });
  }

  /** Takes one slot, prefetched or from the leader, see TakeSlot. Throws as SlotStream.take does. */
  async take(request: TakeRequest, templateKey: string | undefined, timeoutMs: number): Promise<TakeReply> {
    if (templateKey === undefined || this.#hasEnded) return this.#stream.take(request, timeoutMs);
    const { requestUid } = request;
    const previous = this.#replies.get(requestUid);
    if (previous) return previous;
    const reply = this.#takeOrRequest(request, templateKey, timeoutMs);
    this.#replies.set(requestUid, reply);
    reply.catch(() => this.#replies.delete(requestUid));
    return reply;
  }

  /** Returns an owner's slots, because the leader needs them for another replica or their room is gone. */
  recall(ownerUid: string): void {
    const owner = this.#owners.get(ownerUid);
    if (owner) {
      this.#giveBack(owner);
      this.#markScarce(owner);
      owner.recalls++;
    }
    // The leader also waits to hear which slots were used.
    this.#stream.report();
  }

  /** Drops all slots: the connection to the leader that granted them is lost. */
  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#sweepTimer);
    this.#owners.clear();
  }

  async #takeOrRequest(request: TakeRequest, templateKey: string, timeoutMs: number): Promise<TakeReply> {
    const owner = this.#ownerOf(request.ownerUid, templateKey);
    const slot = this.#nextSlot(owner);
    if (!slot) return this.#prefetch(request, owner, timeoutMs) ?? this.#stream.take(request, timeoutMs);
    this.#stream.use(slot.uid);
    this.#refill(request, owner, timeoutMs);
    return slot.reply;
  }

  #ownerOf(ownerUid: string, templateKey: string): OwnerSlots {
    const current = this.#owners.get(ownerUid);
    if (current?.templateKey === templateKey) return current;
    if (current) this.#giveBack(current);
    const owner: OwnerSlots = {
      templateKey,
      slots: [],
      target: 0,
      isRequestPending: false,
      requestedAt: 0,
      scarceUntil: 0,
      recalls: 0,
    };
    this.#owners.set(ownerUid, owner);
    this.#sweepTimer ??= setTimeout(() => this.#sweep(), SWEEP_MS).unref();
    return owner;
  }

  #nextSlot(owner: OwnerSlots): PrefetchedSlot | undefined {
    this.#giveBackExpired(owner);
    return owner.slots.shift();
  }

  /** Adapts an owner's target to its pace: doubled when requests come fast, halved when they come slowly. */
  #updateTarget(owner: OwnerSlots): number {
    const now = this.#now();
    const pauseMs = now - owner.requestedAt;
    owner.requestedAt = now;
    if (pauseMs >= SLOW_PACE_MS) owner.target = Math.floor(owner.target / 2);
    else if (pauseMs < FAST_PACE_MS)
      owner.target = Math.min(MAX_SLOTS_PER_OWNER, Math.max(1, 2 * owner.target));
    return now < owner.scarceUntil ? 0 : owner.target;
  }

  /** Requests slots up to the target along with this one; undefined when a request is pending or none are missing. */
  #prefetch(request: TakeRequest, owner: OwnerSlots, timeoutMs: number): Promise<TakeReply> | undefined {
    if (owner.isRequestPending) return undefined;
    const ahead = this.#updateTarget(owner) - owner.slots.length;
    return ahead > 0 ? this.#requestSlots(ahead, request, owner, timeoutMs) : undefined;
  }

  async #requestSlots(
    ahead: number,
    request: TakeRequest,
    owner: OwnerSlots,
    timeoutMs: number,
  ): Promise<TakeReply> {
    const { recalls } = owner;
    owner.isRequestPending = true;
    try {
      const reply = await this.#stream.take({ ...request, ahead }, timeoutMs);
      this.#store(owner, reply.ahead ?? []);
      const isStale = owner.recalls !== recalls || this.#owners.get(request.ownerUid) !== owner;
      if (isStale) this.#giveBack(owner);
      return reply;
    } finally {
      owner.isRequestPending = false;
    }
  }

  /** Prefetches in the background once half of the target is used. */
  #refill(request: TakeRequest, owner: OwnerSlots, timeoutMs: number): void {
    if (owner.isRequestPending || 2 * owner.slots.length >= owner.target) return;
    const refill = { ...request, requestUid: randomUUID(), isAheadOnly: true };
    // A failed prefetch needs no report: it shows in the next request that a pod waits for.
    this.#prefetch(refill, owner, timeoutMs)?.catch(() => {});
  }

  #store(owner: OwnerSlots, slots: readonly SlotAhead[]): void {
    if (slots.length === 0) this.#markScarce(owner);
    const expiresAt = this.#now() + SLOT_TTL_MS;
    owner.slots.push(...slots.map((slot) => ({ ...slot, expiresAt })));
  }

  #markScarce(owner: OwnerSlots): void {
    owner.target = 0;
    owner.scarceUntil = this.#now() + SCARCITY_MS;
  }

  #giveBack(owner: OwnerSlots, count = owner.slots.length): void {
    this.#stream.giveBack(owner.slots.splice(0, count).map(({ uid }) => uid));
  }

  // The oldest slots come first.
  #giveBackExpired(owner: OwnerSlots): void {
    const now = this.#now();
    this.#giveBack(owner, owner.slots.filter(({ expiresAt }) => expiresAt <= now).length);
  }

  /** Returns expired slots and forgets idle owners. */
  #sweep(): void {
    const now = this.#now();
    for (const [ownerUid, owner] of this.#owners) {
      this.#giveBackExpired(owner);
      const isIdle = owner.slots.length === 0 && !owner.isRequestPending;
      if (isIdle && now - owner.requestedAt > OWNER_TTL_MS) this.#owners.delete(ownerUid);
    }
    this.#sweepTimer = this.#owners.size > 0 ? setTimeout(() => this.#sweep(), SWEEP_MS).unref() : undefined;
  }
}
