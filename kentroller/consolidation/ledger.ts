import type { NodeClaim } from '../../api/objects.ts';

/**
 * NodeClaims that this process has begun to remove: the caches show its writes a moment later, and until then nobody may
 * count on these nodes. Recorded before the next `await`.
 */
export class Ledger {
  readonly #begun = new Map<string, 'marked' | 'deleted'>();
  /** When nodes that were kept after all may be begun again, by uid of the claim. */
  readonly #restsUntil = new Map<string, number>();
  #version = 0;

  /** Grows with each change of what is begun. */
  get version(): number {
    return this.#version;
  }

  begin({ metadata: { uid = '' } }: NodeClaim): void {
    if (this.#begun.has(uid)) return;
    this.#begun.set(uid, 'marked');
    this.#version += 1;
  }

  deleted({ metadata: { uid = '' } }: NodeClaim): void {
    this.#begun.set(uid, 'deleted');
    this.#version += 1;
  }

  /** The node stays. */
  kept({ metadata: { uid = '' } }: NodeClaim): void {
    if (this.#begun.get(uid) === 'marked') this.#forget(uid);
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
    this.#forget(uid);
    this.#restsUntil.delete(uid);
  }

  #forget(uid: string): void {
    if (this.#begun.delete(uid)) this.#version += 1;
  }

  isBegun({ metadata: { uid = '' } }: NodeClaim): boolean {
    return this.#begun.has(uid);
  }

  isDeleted({ metadata: { uid = '' } }: NodeClaim): boolean {
    return this.#begun.get(uid) === 'deleted';
  }
}
