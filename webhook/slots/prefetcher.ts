import { randomUUID } from 'node:crypto';
import { REPLAYS, type SlotAhead, type TakeReply, type TakeRequest } from '../../api/pinning.ts';
import { TtlCache } from '../../kube/ttlcache.ts';
import type { SlotStream } from './stream.ts';

/** How long a slot is kept in hand. The node may go, and others may want it. */
const KEEP_MS = 1_000;
/** An owner whose slots in hand last longer than this gets fewer. */
const PACE_MS = 1_000;
/** Slots of one owner in hand, at most. */
const MOST = 32;
const SWEEP_MS = 250;
/** Owners that no pod came for are forgotten after this long. */
const FORGET_MS = 10_000;

interface InHand extends SlotAhead {
  readonly until: number;
}

/** What is known of one owner's pods. */
interface Owned {
  /** The pods that the slots are for: without its name, each is this one. */
  readonly shape: string;
  readonly slots: InHand[];
  /** How many there should be in hand. */
  size: number;
  /** Whether slots in advance are asked for already. */
  isAsked: boolean;
  askedAt: number;
  /** Slots are scarce until then. */
  scarceUntil: number;
  /** How often its slots were wanted back: what was asked for before is not kept. */
  recalls: number;
}

/**
 * Slots in hand: where pods of an owner come one after the other, the leader gives a few slots in advance, and most
 * pods do not wait for the way to it and back. What is not used within a second, or is wanted back, is returned.
 */
export class Hand {
  readonly #stream: SlotStream;
  readonly #now: () => number;
  readonly #owned = new Map<string, Owned>();
  readonly #replies: TtlCache<Promise<TakeReply>>;
  #sweeping: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(stream: SlotStream, now: () => number) {
    this.#stream = stream;
    this.#now = now;
    this.#replies = new TtlCache({ ...REPLAYS, now });
  }

  /**
   * A slot for one pod, from the hand or from the leader. `shape` is the pod without its name, undefined where the
   * leader has to see the pod itself. Throws as the stream does.
   */
  async take(request: TakeRequest, shape: string | undefined, timeoutMs: number): Promise<TakeReply> {
    if (shape === undefined || this.#hasEnded) return this.#stream.take(request, timeoutMs);
    const { requestUid } = request;
    const known = this.#replies.get(requestUid);
    if (known) return known;
    const reply = this.#find(request, shape, timeoutMs);
    this.#replies.set(requestUid, reply);
    reply.catch(() => this.#replies.delete(requestUid));
    return reply;
  }

  /** Gives back what it holds for an owner: others want it, or it may hold no more. */
  recall(ownerUid: string): void {
    const owned = this.#owned.get(ownerUid);
    if (owned) {
      this.#giveBack(owned);
      this.#runShort(owned);
      owned.recalls++;
    }
    // Those that were used are waited for as well.
    this.#stream.tell();
  }

  /** The leader is not to be reached any more: what is in hand is worth nothing. */
  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#sweeping);
    this.#owned.clear();
  }

  async #find(request: TakeRequest, shape: string, timeoutMs: number): Promise<TakeReply> {
    const owned = this.#ownedOf(request.ownerUid, shape);
    const slot = this.#next(owned);
    if (!slot) return this.#ask(request, owned, timeoutMs);
    this.#stream.use(slot.uid);
    this.#refill(request, owned, timeoutMs);
    return slot.reply;
  }

  #ownedOf(ownerUid: string, shape: string): Owned {
    const known = this.#owned.get(ownerUid);
    if (known?.shape === shape) return known;
    if (known) this.#giveBack(known);
    const owned = { shape, slots: [], size: 0, isAsked: false, askedAt: 0, scarceUntil: 0, recalls: 0 };
    this.#owned.set(ownerUid, owned);
    this.#sweeping ??= setTimeout(() => this.#sweep(), SWEEP_MS).unref();
    return owned;
  }

  #next(owned: Owned): InHand | undefined {
    this.#giveBackOld(owned);
    return owned.slots.shift();
  }

  /** How many slots there should be in hand: the more, the faster the last ones were used. */
  #grow(owned: Owned): number {
    const now = this.#now();
    const since = now - owned.askedAt;
    owned.askedAt = now;
    if (since >= PACE_MS) owned.size = Math.floor(owned.size / 2);
    else if (since < PACE_MS / 4) owned.size = Math.min(MOST, Math.max(1, 2 * owned.size));
    return now < owned.scarceUntil ? 0 : owned.size;
  }

  /** Asks for a pod's slot, and along with it for what is missing in hand. */
  #ask(request: TakeRequest, owned: Owned, timeoutMs: number): Promise<TakeReply> {
    return this.#askAhead(request, owned, timeoutMs) ?? this.#stream.take(request, timeoutMs);
  }

  /** Undefined where nothing is to be asked in advance: it is asked for already, or slots are scarce. */
  #askAhead(request: TakeRequest, owned: Owned, timeoutMs: number): Promise<TakeReply> | undefined {
    const ahead = owned.isAsked ? 0 : this.#grow(owned) - owned.slots.length;
    return ahead > 0 ? this.#askFor(ahead, request, owned, timeoutMs) : undefined;
  }

  async #askFor(ahead: number, request: TakeRequest, owned: Owned, timeoutMs: number): Promise<TakeReply> {
    const { recalls } = owned;
    owned.isAsked = true;
    try {
      const reply = await this.#stream.take({ ...request, ahead }, timeoutMs);
      this.#keep(owned, reply.ahead ?? []);
      const isStale = owned.recalls !== recalls || this.#owned.get(request.ownerUid) !== owned;
      if (isStale) this.#giveBack(owned);
      return reply;
    } finally {
      owned.isAsked = false;
    }
  }

  /** Asks for slots in advance alone, once half of them are used. */
  #refill(request: TakeRequest, owned: Owned, timeoutMs: number): void {
    if (owned.isAsked || 2 * owned.slots.length >= owned.size) return;
    const more = { ...request, requestUid: randomUUID(), isAheadOnly: true };
    // Whoever asks next is told what goes wrong.
    this.#askAhead(more, owned, timeoutMs)?.catch(() => {});
  }

  #keep(owned: Owned, slots: readonly SlotAhead[]): void {
    if (slots.length === 0) this.#runShort(owned);
    const until = this.#now() + KEEP_MS;
    owned.slots.push(...slots.map((slot) => ({ ...slot, until })));
  }

  #runShort(owned: Owned): void {
    owned.size = 0;
    owned.scarceUntil = this.#now() + PACE_MS;
  }

  #giveBack(owned: Owned, count = owned.slots.length): void {
    this.#stream.giveBack(owned.slots.splice(0, count).map(({ uid }) => uid));
  }

  #giveBackOld(owned: Owned): void {
    const now = this.#now();
    this.#giveBack(owned, owned.slots.filter(({ until }) => until <= now).length);
  }

  /** Returns what is too old, and forgets owners. */
  #sweep(): void {
    const now = this.#now();
    for (const [ownerUid, owned] of this.#owned) {
      this.#giveBackOld(owned);
      const isIdle = owned.slots.length === 0 && !owned.isAsked;
      if (isIdle && now - owned.askedAt > FORGET_MS) this.#owned.delete(ownerUid);
    }
    this.#sweeping = this.#owned.size > 0 ? setTimeout(() => this.#sweep(), SWEEP_MS).unref() : undefined;
  }
}
