import type { SlotAhead } from '../../api/pinning.ts';
import { GRANT_MS } from '../placement/allocate.ts';

interface Entry {
  readonly ownerUid: string;
  readonly slot: SlotAhead;
  /** Milliseconds since the epoch, by which the slot is used, returned or lost with its holder. */
  readonly until: number;
  isGivenUp: boolean;
}

/** The slots that webhook replicas hold, by owner. */
export class PrefetchedSlots {
  /** In the order in which they were granted. */
  readonly #entries = new Map<string, Entry>();
  /** Slots per owner that are not given up. */
  readonly #counts = new Map<string, number>();
  readonly #waiters = new Map<string, Set<() => void>>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(ownerUid: string, slot: SlotAhead): void {
    this.#expire();
    this.#entries.set(slot.uid, { ownerUid, slot, until: this.#now() + GRANT_MS, isGivenUp: false });
    this.#counts.set(ownerUid, (this.#counts.get(ownerUid) ?? 0) + 1);
  }

  /** Removes a slot that was used or returned; undefined when it is unknown. */
  delete(uid: string): SlotAhead | undefined {
    const entry = this.#entries.get(uid);
    if (!entry) return undefined;
    this.#entries.delete(uid);
    this.#giveUp(entry);
    return entry.slot;
  }

  hasAny(ownerUid: string): boolean {
    this.#expire();
    return this.#counts.has(ownerUid);
  }

  /** Waits until an owner's slots are back; after `timeoutMs` the missing ones are given up. */
  async untilReturned(ownerUid: string, timeoutMs: number): Promise<void> {
    if (!this.hasAny(ownerUid)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiters = this.#waiters.get(ownerUid) ?? new Set();
    this.#waiters.set(ownerUid, waiters.add(resolve));
    const timer = setTimeout(() => {
      for (const entry of this.#entries.values()) if (entry.ownerUid === ownerUid) this.#giveUp(entry);
    }, timeoutMs);
    await promise;
    clearTimeout(timer);
    waiters.delete(resolve);
    if (waiters.size === 0) this.#waiters.delete(ownerUid);
  }

  clear(): void {
    for (const uid of this.#entries.keys()) this.delete(uid);
  }

  /** Stops counting a slot of its owner, and wakes the waiters after the last one. */
  #giveUp(entry: Entry): void {
    if (entry.isGivenUp) return;
    entry.isGivenUp = true;
    const { ownerUid } = entry;
    const remaining = (this.#counts.get(ownerUid) ?? 0) - 1;
    if (remaining > 0) this.#counts.set(ownerUid, remaining);
    else {
      this.#counts.delete(ownerUid);
      for (const resolve of this.#waiters.get(ownerUid) ?? []) resolve();
    }
  }

  #expire(): void {
    const now = this.#now();
    for (const [uid, { until }] of this.#entries) {
      if (until > now) break;
      this.delete(uid);
    }
  }
}
