import { parseOwnerMark } from '../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { OWNED_BY } from '../../api/labels.ts';
import type { Node, NodeClaim, Pod } from '../../api/objects.ts';
import { destinationOf, isRunning } from '../../api/plans.ts';
import { controllerOf, podName } from '../../api/pods.ts';
import type { Caches } from '../caches.ts';
import { placesInUse } from './state/claimnames.ts';
import { detachedBy } from './state/surgerecord.ts';

const NO_PLANS: readonly string[] = [];

const union = (a: readonly string[], b: readonly string[]): readonly string[] =>
  a.length === 0 ? b : b.length === 0 ? a : [...new Set([...a, ...b])];

/** Names of plans under keys; a plan has all of its keys set at once. */
class PlansByKey {
  readonly #plans = new Map<string, readonly string[]>();
  readonly #keys = new Map<string, ReadonlySet<string>>();

  of(key: string): readonly string[] {
    return this.#plans.get(key) ?? NO_PLANS;
  }

  set(plan: string, keys: ReadonlySet<string>): void {
    for (const key of this.#keys.get(plan) ?? []) {
      const others = this.of(key).filter((other) => other !== plan);
      if (others.length > 0) this.#plans.set(key, others);
      else this.#plans.delete(key);
    }
    for (const key of keys) this.#plans.set(key, [...this.of(key), plan]);
    if (keys.size > 0) this.#keys.set(plan, keys);
    else this.#keys.delete(plan);
  }
}

const NO_KEYS: ReadonlySet<string> = new Set();

const ownerKey = (uid: string): string => `owner/${uid}`;
const podKey = (name: string): string => `pod/${name}`;
const claimKey = (name: string): string => `claim/${name}`;

/** What a plan's spec names: owners and pods that it moves, NodeClaims that it removes or fills. */
const keysOf = (plan: RebalancePlan): ReadonlySet<string> => {
  const keys = new Set(placesInUse(plan).map(claimKey));
  for (const { namespace, name, owner } of plan.spec.podsToMigrate ?? []) {
    keys.add(podKey(`${namespace}/${name}`));
    if (owner) keys.add(ownerKey(owner.uid));
  }
  return keys;
};

/**
 * The running plans that an object concerns, in constant time: a cluster of 150,000 pods changes hundreds of them a second,
 * and few are a plan's.
 */
export class PlanIndex {
  readonly #caches: Pick<Caches, 'plans' | 'nodes' | 'nodeClaims'>;
  readonly #plans = new PlansByKey();
  /** The spec by which each running plan is indexed; it changes with the generation alone. */
  readonly #indexed = new Map<string, string>();
  /** Names of NodeClaims by the provider id of their status. */
  readonly #claimById = new Map<string, string>();
  /** Names of NodeClaims by the node's name in their status. */
  readonly #claimByNode = new Map<string, string>();

  constructor(caches: Pick<Caches, 'plans' | 'nodes' | 'nodeClaims'>) {
    this.#caches = caches;
    caches.plans.onChange(({ type, object }) =>
      this.#indexPlan(object, type !== 'delete' && isRunning(object)),
    );
    caches.nodeClaims.onChange((change) => {
      if (change.type === 'update') this.#forgetClaim(change.old);
      if (change.type === 'delete') this.#forgetClaim(change.object);
      else this.#indexClaim(change.object);
    });
  }

  /** Names of the running plans that remove or fill a NodeClaim, and of the plan that made it, whatever its state. */
  ofClaim(claim: NodeClaim): readonly string[] {
    const plans = this.#plans.of(claimKey(claim.metadata.name));
    const own = parseOwnerMark(claim.metadata.annotations?.[OWNED_BY])?.name;
    return own === undefined ? plans : union(plans, [own]);
  }

  /** Names of the plans that use the node. */
  ofNode({ metadata, spec }: Node): readonly string[] {
    return this.#ofNodeNamed(metadata.name, spec?.providerID);
  }

  /** Names of the plans that move the pod or others of its owner, use its node, or have detached it. */
  ofPod(pod: Pod): readonly string[] {
    const { nodeName } = pod.spec;
    const owner = controllerOf(pod)?.uid;
    let plans = this.#plans.of(podKey(podName(pod)));
    if (owner !== undefined) plans = union(plans, this.#plans.of(ownerKey(owner)));
    plans = union(plans, this.#running(detachedBy(pod)));
    if (!nodeName) return plans;
    const { spec } = this.#caches.nodes.get(nodeName) ?? {};
    return union(plans, this.#ofNodeNamed(nodeName, spec?.providerID));
  }

  #ofNodeNamed(name: string, providerID: string | undefined): readonly string[] {
    const byId = providerID ? this.#claimById.get(providerID) : undefined;
    const known = byId ?? this.#claimByNode.get(name);
    const claim = known === undefined ? undefined : this.#caches.nodeClaims.get(known);
    return claim
      ? this.#running(this.ofClaim(claim))
      : this.#plans.of(claimKey(destinationOf({ dstNodeName: name })));
  }

  #running(plans: readonly string[]): readonly string[] {
    return plans.length === 0 ? plans : plans.filter((plan) => this.#indexed.has(plan));
  }

  #indexPlan(plan: RebalancePlan, isIndexed: boolean): void {
    const { name, uid, generation } = plan.metadata;
    const version = `${uid}/${generation}`;
    if (!isIndexed) {
      if (this.#indexed.delete(name)) this.#plans.set(name, NO_KEYS);
    } else if (this.#indexed.get(name) !== version || generation === undefined) {
      this.#indexed.set(name, version);
      this.#plans.set(name, keysOf(plan));
    }
  }

  #indexClaim({ metadata, status }: NodeClaim): void {
    if (status?.providerID) this.#claimById.set(status.providerID, metadata.name);
    if (status?.nodeName) this.#claimByNode.set(status.nodeName, metadata.name);
  }

  #forgetClaim({ metadata, status }: NodeClaim): void {
    const { providerID = '', nodeName = '' } = status ?? {};
    if (this.#claimById.get(providerID) === metadata.name) this.#claimById.delete(providerID);
    if (this.#claimByNode.get(nodeName) === metadata.name) this.#claimByNode.delete(nodeName);
  }
}
