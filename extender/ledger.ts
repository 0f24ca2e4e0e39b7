import { isGated } from '../api/hold.ts';
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
  readonly #avoided = new Map<string, number>();
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

  /** A slot of this intent that was granted to a pod which is still being created, held or put on this node. */
  grantOf(intentId: string, nodeName: string | undefined): Promised | undefined {
    this.#expire();
    for (const each of this.#promises.values()) {
      const isThere = nodeName === undefined || each.nodeName === nodeName;
      if (each.isGrant && each.intentId === intentId && isThere) return each;
    }
    return undefined;
  }

  /** No pod is held for this intent until then: kube-scheduler has refused its node. Milliseconds since the epoch. */
  avoid(intentId: string, until: number): void {
    this.#avoided.set(intentId, until);
  }

  isAvoided(intentId: string): boolean {
    const until = this.#avoided.get(intentId);
    if (until !== undefined && until <= this.#now()) this.#avoided.delete(intentId);
    return this.#avoided.has(intentId);
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
    const intentId = pod.metadata.annotations?.[PIN];
    if (type !== 'add' || !intentId || (!pod.spec.nodeName && !isGated(pod))) return;
    // Grants of one intent are alike: whichever pod shows up, one of them is fulfilled.
    const grant = this.grantOf(intentId, pod.spec.nodeName);
    if (grant) this.#promises.delete(grant.uid);
  }

  #expire(): void {
    const now = this.#now();
    for (const { uid, until } of this.#promises.values()) if (until <= now) this.#promises.delete(uid);
  }
}
