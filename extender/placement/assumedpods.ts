import { isGated } from '../../api/heldpods.ts';
import { PIN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { Change } from '../../kube/cache/cache.ts';

/** Room on a node that was given away and that the pod cache does not show yet. */
export interface AssumedPod {
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

type AssumedPodMap = Map<string, AssumedPod>;

/** Promises under a value they share. */
class Index {
  readonly #found = new Map<string, AssumedPodMap>();

  get(value: string): AssumedPodMap | undefined {
    return this.#found.get(value);
  }

  add(value: string, assumed: AssumedPod): void {
    const there = this.#found.get(value);
    if (there) there.set(assumed.uid, assumed);
    else this.#found.set(value, new Map([[assumed.uid, assumed]]));
  }

  delete(value: string, uid: string): void {
    const there = this.#found.get(value);
    if (there?.delete(uid) && there.size === 0) this.#found.delete(value);
  }
}

const NONE: AssumedPodMap = new Map();

/**
 * What the pinner gave away and can't see yet: pods just bound, slots granted to the webhook. Decisions are made in
 * one go between two waits, and each enters its promise at once, so that no room is given twice.
 */
export class AssumedPods {
  readonly #promises: AssumedPodMap = new Map();
  readonly #byNode = new Index();
  readonly #byOwner = new Index();
  /** Grants by their intent. */
  readonly #grants = new Index();
  /** By how long they hold, in the order in which they were made: the first of each ends first. */
  readonly #byTerm = new Map<number, AssumedPodMap>();
  readonly #terms = new Map<string, number>();
  readonly #avoided = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  assume(assumed: AssumedPod): void {
    this.forget(assumed.uid);
    const { uid, nodeName, ownerUid, intentId, isGrant } = assumed;
    this.#promises.set(uid, assumed);
    this.#byNode.add(nodeName, assumed);
    this.#byOwner.add(ownerUid, assumed);
    if (isGrant) this.#grants.add(intentId, assumed);
    const term = assumed.until - this.#now();
    this.#terms.set(uid, term);
    const peers = this.#byTerm.get(term);
    if (peers) peers.set(uid, assumed);
    else this.#byTerm.set(term, new Map([[uid, assumed]]));
  }

  forget(uid: string): void {
    const assumed = this.#promises.get(uid);
    if (!assumed) return;
    const { nodeName, ownerUid, intentId, isGrant } = assumed;
    this.#promises.delete(uid);
    this.#byNode.delete(nodeName, uid);
    this.#byOwner.delete(ownerUid, uid);
    if (isGrant) this.#grants.delete(intentId, uid);
    const term = this.#terms.get(uid) ?? 0;
    this.#terms.delete(uid);
    const peers = this.#byTerm.get(term);
    if (peers?.delete(uid) && peers.size === 0) this.#byTerm.delete(term);
  }

  /** Holds a promise as long again as it was made for. */
  renew(uid: string): void {
    const assumed = this.#promises.get(uid);
    if (assumed) this.assume({ ...assumed, until: this.#now() + (this.#terms.get(uid) ?? 0) });
  }

  has(uid: string): boolean {
    this.#expire();
    return this.#promises.has(uid);
  }

  onNode(nodeName: string): readonly AssumedPod[] {
    this.#expire();
    return [...(this.#byNode.get(nodeName) ?? NONE).values()];
  }

  ofOwner(ownerUid: string): readonly AssumedPod[] {
    this.#expire();
    return [...(this.#byOwner.get(ownerUid) ?? NONE).values()];
  }

  /** A slot of this intent that was granted to a pod which is still being created, held or put on this node. */
  grantOf(intentId: string, nodeName: string | undefined): AssumedPod | undefined {
    this.#expire();
    for (const grant of (this.#grants.get(intentId) ?? NONE).values()) {
      if (nodeName === undefined || grant.nodeName === nodeName) return grant;
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
    let next: number | undefined;
    for (const peers of this.#byTerm.values()) {
      const [first] = peers.values();
      if (first && (next === undefined || first.until < next)) next = first.until;
    }
    return next;
  }

  /** The pod cache shows a pod: the promise that it fulfils ends. */
  observe({ type, object: pod }: Change<Pod>): void {
    const uid = pod.metadata.uid ?? '';
    if (this.#promises.has(uid) && (type === 'delete' || pod.spec.nodeName)) this.forget(uid);
    const intentId = pod.metadata.annotations?.[PIN];
    if (type !== 'add' || !intentId || (!pod.spec.nodeName && !isGated(pod))) return;
    // Grants of one intent are alike: whichever pod shows up, one of them is fulfilled.
    const grant = this.grantOf(intentId, pod.spec.nodeName);
    if (grant) this.forget(grant.uid);
  }

  #expire(): void {
    const now = this.#now();
    for (const peers of this.#byTerm.values()) {
      for (const { uid, until } of peers.values()) {
        if (until > now) break;
        this.forget(uid);
      }
    }
  }
}
