import type { SlotAhead } from '../../api/pinning.ts';
import { GRANT_MS } from '../placement/allocate.ts';

interface Entry {
  readonly ownerUid: string;
  readonly slot: SlotAhead;
  /** Milliseconds since the epoch; by then it was used, returned, or whoever held it is no more. */
  readonly until: number;
  isGivenUp: boolean;
}

/** Which slots the webhook's replicas hold in advance, of which owners. */
export class PrefetchedSlots {
  /** In the order in which they were given. */
  readonly #entries = new Map<string, Entry>();
  /** How many of each owner are out and not given up. */
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

  /** It was used or returned; undefined when it was not out. */
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

  /** Waits until none of an owner's are out; those that are out by the end of that time are not waited for again. */
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

  /** It counts no more, used or returned or not. */
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
