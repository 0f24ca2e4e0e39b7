import type { NodeClaim } from '../../api/objects.ts';

/**
 * NodeClaims that this process has begun to remove: the caches show its writes a moment later, and until then nobody may
 * count on these nodes. Recorded before the next `await`.
 */
export class Ledger {
  readonly #begun = new Map<string, 'marked' | 'deleted'>();
  /** When nodes that were kept after all may be begun again, by uid of the claim. */
  readonly #restsUntil = new Map<string, number>();

  begin({ metadata: { uid = '' } }: NodeClaim): void {
    if (!this.#begun.has(uid)) this.#begun.set(uid, 'marked');
  }

  deleted({ metadata: { uid = '' } }: NodeClaim): void {
    this.#begun.set(uid, 'deleted');
  }

  /** The node stays. */
  kept({ metadata: { uid = '' } }: NodeClaim): void {
    if (this.#begun.get(uid) === 'marked') this.#begun.delete(uid);
  }

  /** Milliseconds for which a node that was kept after all is left alone: the caches may not show yet why. */
  restOf({ metadata: { uid = '' } }: NodeClaim, now: number): number {
    return Math.max(0, (this.#restsUntil.get(uid) ?? 0) - now);
  }

  rest({ metadata: { uid = '' } }: NodeClaim, until: number): void {
    this.#restsUntil.set(uid, until);
  }

  /** The claim is gone. */
  gone({ metadata: { uid = '' } }: NodeClaim): void {
    this.#begun.delete(uid);
    this.#restsUntil.delete(uid);
  }

  isBegun({ metadata: { uid = '' } }: NodeClaim): boolean {
    return this.#begun.has(uid);
  }

  isDeleted({ metadata: { uid = '' } }: NodeClaim): boolean {
    return this.#begun.get(uid) === 'deleted';
  }
}
