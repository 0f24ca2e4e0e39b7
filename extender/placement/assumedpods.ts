import { isGated } from '../../api/heldpods.ts';
import { PIN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { haveSameController } from '../../api/pods.ts';
import type { Change } from '../../kube/cache/cache.ts';

/** Room on a node that is taken, though the pod cache does not show it yet. */
export interface AssumedPod {
  /** Uid of the pod; of the admission request, or of the prefetched slot, while the pod is being created. */
  readonly uid: string;
  /** Empty while the node has no name. */
  readonly nodeName: string;
  readonly intentId: string;
  readonly ownerUid: string;
  readonly pod: Pod;
  /** True for a slot whose pod is being created, so that its uid is unknown. */
  readonly isGrant: boolean;
  /** Milliseconds since the epoch, after which the room is free again. */
  readonly until: number;
}

interface Entry {
  readonly assumed: AssumedPod;
  /** Milliseconds. */
  readonly ttlMs: number;
}

/** Assumed pods by a key that they share, in the order in which they were assumed. */
class Index<K> {
  readonly #podsByKey = new Map<K, Map<string, AssumedPod>>();

  get(key: K): Iterable<AssumedPod> {
    return this.#podsByKey.get(key)?.values() ?? [];
  }

  add(key: K, assumed: AssumedPod): void {
    const pods = this.#podsByKey.get(key);
    if (pods) pods.set(assumed.uid, assumed);
    else this.#podsByKey.set(key, new Map([[assumed.uid, assumed]]));
  }

  delete(key: K, uid: string): void {
    const pods = this.#podsByKey.get(key);
    if (pods?.delete(uid) && pods.size === 0) this.#podsByKey.delete(key);
  }

  groups(): Iterable<Map<string, AssumedPod>> {
    return this.#podsByKey.values();
  }
}

/**
 * Assumed pods: bindings and slot grants that the cache does not show yet. Each is recorded before the next `await`,
 * so that no capacity is given out twice.
 */
export class AssumedPods {
  readonly #entries = new Map<string, Entry>();
  readonly #byNode = new Index<string>();
  readonly #byOwner = new Index<string>();
  readonly #grantsByIntent = new Index<string>();
  /** Pods with one TTL expire in the order in which they were assumed. */
  readonly #byTtl = new Index<number>();
  /** When each avoided intent may be used again, by intent id. */
  readonly #avoidedUntil = new Map<string, number>();
  readonly #now: () => number;

  /** `now` is in milliseconds since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Takes the room of a pod; a pod of the same uid is replaced. */
  assume(assumed: AssumedPod): void {
    this.forget(assumed.uid);
    const { uid, nodeName, ownerUid, intentId, isGrant } = assumed;
    const ttlMs = assumed.until - this.#now();
    this.#entries.set(uid, { assumed, ttlMs });
    this.#byNode.add(nodeName, assumed);
    this.#byOwner.add(ownerUid, assumed);
    this.#byTtl.add(ttlMs, assumed);
    if (isGrant) this.#grantsByIntent.add(intentId, assumed);
  }

  /** Frees the room of a pod; an unknown uid is ignored. */
  forget(uid: string): void {
    const entry = this.#entries.get(uid);
    if (!entry) return;
    const { nodeName, ownerUid, intentId, isGrant } = entry.assumed;
    this.#entries.delete(uid);
    this.#byNode.delete(nodeName, uid);
    this.#byOwner.delete(ownerUid, uid);
    this.#byTtl.delete(entry.ttlMs, uid);
    if (isGrant) this.#grantsByIntent.delete(intentId, uid);
  }

  /** Starts the TTL of an assumed pod anew. */
  renew(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry) this.assume({ ...entry.assumed, until: this.#now() + entry.ttlMs });
  }

  has(uid: string): boolean {
    this.#expire();
    return this.#entries.has(uid);
  }

  onNode(nodeName: string): readonly AssumedPod[] {
    this.#expire();
    return [...this.#byNode.get(nodeName)];
  }

  ofOwner(ownerUid: string): readonly AssumedPod[] {
    this.#expire();
    return [...this.#byOwner.get(ownerUid)];
  }

  /** The oldest grant of an intent, on this node or, for an undefined name, on any. */
  grantOf(intentId: string, nodeName: string | undefined): AssumedPod | undefined {
    this.#expire();
    for (const grant of this.#grantsByIntent.get(intentId)) {
      if (nodeName === undefined || grant.nodeName === nodeName) return grant;
    }
    return undefined;
  }

  /** The grant that a pod with our pin may have come by: one of its own controller, whatever the pin says. */
  grantFor(pod: Pod): AssumedPod | undefined {
    const intentId = pod.metadata.annotations?.[PIN];
    const grant = intentId ? this.grantOf(intentId, pod.spec.nodeName) : undefined;
    return grant && haveSameController(grant.pod, pod) ? grant : undefined;
  }

  /** Keeps pods from being held for an intent whose node kube-scheduler refused. Milliseconds since the epoch. */
  avoid(intentId: string, until: number): void {
    this.#avoidedUntil.set(intentId, until);
  }

  isAvoided(intentId: string): boolean {
    const until = this.#avoidedUntil.get(intentId);
    if (until !== undefined && until <= this.#now()) this.#avoidedUntil.delete(intentId);
    return this.#avoidedUntil.has(intentId);
  }

  /** When the next assumed pod expires, in milliseconds since the epoch; undefined when there is none. */
  nextExpiry(): number | undefined {
    this.#expire();
    let next: number | undefined;
    for (const pods of this.#byTtl.groups()) {
      const [first] = pods.values();
      if (first && (next === undefined || first.until < next)) next = first.until;
    }
    return next;
  }

  /** Forgets the assumed pod that a change of the pod cache makes visible. */
  observe({ type, object: pod }: Change<Pod>): void {
    const uid = pod.metadata.uid ?? '';
    if (this.#entries.has(uid) && (type === 'delete' || pod.spec.nodeName)) this.forget(uid);
    if (type !== 'add' || (!pod.spec.nodeName && !isGated(pod))) return;
    // Grants of one intent are interchangeable, so the new pod may use up any of them.
    const grant = this.grantFor(pod);
    if (grant) this.forget(grant.uid);
  }

  #expire(): void {
    const now = this.#now();
    for (const pods of this.#byTtl.groups()) {
      for (const { uid, until } of pods.values()) {
        if (until > now) break;
        this.forget(uid);
      }
    }
  }
}
