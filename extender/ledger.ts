import { PIN } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import type { Change } from '../kube/cache.ts';

/** Room on a node that was given away and that the pod cache does not show yet. */
export interface Promised {
  /** Uid of the pod, or of the admission request that creates it. */
  readonly uid: string;
  readonly nodeName: string;
  readonly intentId: string;
  readonly ownerUid: string;
  readonly pod: Pod;
  /** Whether the pod is being created: then its uid is not known. */
  readonly isGrant: boolean;
  /** Milliseconds since the epoch; the promise is forgotten then. */
  readonly until: number;
}

/**
 * What the pinner gave away and can't see yet: pods just bound, slots granted to the webhook. Decisions are made in
 * one go between two waits, and each enters its promise at once, so that no room is given twice.
 */
export class Ledger {
  readonly #promises = new Map<string, Promised>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  promise(promised: Promised): void {
    this.#promises.set(promised.uid, promised);
  }

  release(uid: string): void {
    this.#promises.delete(uid);
  }

  has(uid: string): boolean {
    this.#expire();
    return this.#promises.has(uid);
  }

  onNode(nodeName: string): readonly Promised[] {
    this.#expire();
    return [...this.#promises.values()].filter((promised) => promised.nodeName === nodeName);
  }

  ofOwner(ownerUid: string): readonly Promised[] {
    this.#expire();
    return [...this.#promises.values()].filter((promised) => promised.ownerUid === ownerUid);
  }

  /** A slot of this intent that was granted to a pod which is still being created. */
  grantOf(intentId: string, nodeName: string): Promised | undefined {
    this.#expire();
    for (const each of this.#promises.values()) {
      if (each.isGrant && each.intentId === intentId && each.nodeName === nodeName) return each;
    }
    return undefined;
  }

  /** When the next promise is forgotten, in milliseconds since the epoch. */
  nextExpiry(): number | undefined {
    this.#expire();
    const untils = [...this.#promises.values()].map(({ until }) => until);
    return untils.length > 0 ? Math.min(...untils) : undefined;
  }

  /** The pod cache shows a pod: the promise that it fulfils ends. */
  observe({ type, object: pod }: Change<Pod>): void {
    const uid = pod.metadata.uid ?? '';
    const promised = this.#promises.get(uid);
    if (promised && (type === 'delete' || pod.spec.nodeName)) this.#promises.delete(uid);
    if (type !== 'add' || !pod.spec.nodeName) return;
    const intentId = pod.metadata.annotations?.[PIN];
    if (!intentId) return;
    // Grants of one intent are alike: whichever pod shows up, one of them is fulfilled.
    for (const grant of this.#promises.values()) {
      if (grant.isGrant && grant.intentId === intentId && grant.nodeName === pod.spec.nodeName) {
        this.#promises.delete(grant.uid);
        return;
      }
    }
  }

  #expire(): void {
    const now = this.#now();
    for (const { uid, until } of this.#promises.values()) if (until <= now) this.#promises.delete(uid);
  }
}
