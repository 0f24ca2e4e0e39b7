import type { SlotAhead } from '../../api/pinning.ts';
import { GRANT_MS } from '../placement/allocate.ts';

interface Out {
  readonly ownerUid: string;
  readonly slot: SlotAhead;
  /** Milliseconds since the epoch; by then it was used, returned, or whoever held it is no more. */
  readonly until: number;
  isGivenUp: boolean;
}

/** Which slots the webhook's replicas hold in advance, of which owners. */
export class PrefetchedSlots {
  /** In the order in which they were given. */
  readonly #out = new Map<string, Out>();
  /** How many of each owner are out and not given up. */
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  begin(ownerUid: string, slot: SlotAhead): void {
    this.#expire();
    this.#out.set(slot.uid, { ownerUid, slot, until: this.#now() + GRANT_MS, isGivenUp: false });
    this.#counts.set(ownerUid, (this.#counts.get(ownerUid) ?? 0) + 1);
  }

  /** It was used or returned; undefined when it was not out. */
  end(uid: string): SlotAhead | undefined {
    const found = this.#out.get(uid);
    if (!found) return undefined;
    this.#out.delete(uid);
    this.#giveUp(found);
    return found.slot;
  }

  isOut(ownerUid: string): boolean {
    this.#expire();
    return this.#counts.has(ownerUid);
  }

  /** Waits until none of an owner's are out; those that are out by the end of that time are not waited for again. */
  async returned(ownerUid: string, timeoutMs: number): Promise<void> {
    if (!this.isOut(ownerUid)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(ownerUid) ?? new Set();
    this.#waiting.set(ownerUid, waiting.add(resolve));
    const timer = setTimeout(() => {
      for (const out of this.#out.values()) if (out.ownerUid === ownerUid) this.#giveUp(out);
    }, timeoutMs);
    await promise;
    clearTimeout(timer);
    waiting.delete(resolve);
    if (waiting.size === 0) this.#waiting.delete(ownerUid);
  }

  clear(): void {
    for (const uid of this.#out.keys()) this.end(uid);
  }

  /** It counts no more, used or returned or not. */
  #giveUp(out: Out): void {
    if (out.isGivenUp) return;
    out.isGivenUp = true;
    const { ownerUid } = out;
    const left = (this.#counts.get(ownerUid) ?? 0) - 1;
    if (left > 0) this.#counts.set(ownerUid, left);
    else {
      this.#counts.delete(ownerUid);
      for (const resolve of this.#waiting.get(ownerUid) ?? []) resolve();
    }
  }

  #expire(): void {
    const now = this.#now();
    for (const [uid, { until }] of this.#out) {
      if (until > now) break;
      this.end(uid);
    }
  }
}
