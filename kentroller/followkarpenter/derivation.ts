import type { Pod } from '../../api/objects.ts';
import { type Attributed, attributePods } from '../../planner/karpenter/attribution.ts';
import type { InFlightClaim } from '../../planner/karpenter/inflightclaim.ts';
import { effectiveDaemonSets } from '../../planner/scheduling/daemonpods.ts';
import { type Caches, nodeOf, UNASSIGNED } from '../caches.ts';
import type { NodeNameCache } from '../cloud/nodenamecache.ts';
import type { ExtraIntents } from '../pinning/extraintents.ts';
import { attributionIntents } from './intents.ts';
import { inFlightOf, type Machine, machinesInFlight } from './machines.ts';
import { isAttributable, movedByPlans } from './pods.ts';

/** Times in milliseconds. */
export interface FollowLimits {
  readonly joinDeadlineMs: number;
  /** Longest wait of a pod for a ready node before its pin ends. */
  readonly holdMs: number;
  /** Karpenter creates the claims of one batch at once: this long after the newest, the batch is complete. */
  readonly settleMs: number;
}

export interface DerivationOptions {
  readonly caches: Pick<Caches, 'plans' | 'pods' | 'nodes' | 'nodeClaims' | 'nodePools' | 'daemonSets'>;
  readonly nodeNames: NodeNameCache;
  readonly extraIntents: ExtraIntents;
  readonly limits: FollowLimits;
  /** Names of the schedulers whose pods are followed; our own when left out. */
  readonly schedulers?: readonly string[];
  readonly now: () => number;
}

export interface Derived {
  readonly machines: readonly Machine[];
  /** Pods without a node that no running plan moves. */
  readonly waiting: readonly Pod[];
  readonly isSettled: boolean;
  /** Pods that Karpenter bought the machines for and that no assignment has a place for. */
  readonly unplaced: number;
}

/** Milliseconds by which a creation timestamp, in whole seconds of another clock, may be off. */
const CLOCK_MS = 2_000;
/** How long the pins of a batch wait for its last machine to be launched: before, only requests tell what a claim holds. */
const LAUNCH_WAIT_MS = 10_000;
const NOTHING: Attributed = { attributions: [], unplaced: 0 };
/** Settle periods after which a claim's batch counts as complete though newer claims keep coming. */
const MAX_SETTLE_FACTOR = 8;

/**
 * Derives which pods Karpenter's claims in flight were created for, and publishes the intents. The memory only keeps
 * pods on the claim that they were pinned to, and tells when a batch is complete.
 */
export class Derivation {
  readonly #o: DerivationOptions;
  /** Claim names by pod uid, of the last derivation. */
  #pinned: ReadonlyMap<string, string> = new Map();
  readonly #firstSeen = new Map<string, number>();
  #newestSeen = Number.NEGATIVE_INFINITY;
  /** Claims whose batch was complete, by name: a newer claim belongs to another batch. */
  readonly #settled = new Set<string>();
  #isFirst = true;
  #last: { readonly key: string; readonly value: Attributed } | undefined;

  constructor(o: DerivationOptions) {
    this.#o = o;
  }

  derive(): Derived {
    const { caches, nodeNames, extraIntents, limits } = this.#o;
    const now = this.#o.now();
    const isMoved = movedByPlans(caches.plans.list());
    const waiting = caches.pods.by(UNASSIGNED, '').filter((pod) => !isMoved(pod));
    const machines = machinesInFlight({
      nodeClaims: caches.nodeClaims.list(),
      nodePool: (name) => caches.nodePools.get(name),
      node: (claim) => nodeOf(caches, claim),
      nodeName: (providerID) => nodeNames.get(providerID),
      now,
      holdMs: limits.holdMs,
    });
    this.#recordFirstSeen(machines, now);
    const nominated = new Map(
      machines.map((m) => [m.nodeName || m.claim.metadata.name, m.claim.metadata.name]),
    );
    const assigned = new Map(this.#pinned);
    const pods = waiting
      .filter((pod) => isAttributable(pod, this.#o.schedulers))
      .filter((pod) => {
        const name = pod.status?.nominatedNodeName ?? '';
        const claim = nominated.get(name);
        if (claim !== undefined) assigned.set(pod.metadata.uid ?? '', claim);
        return name === '' || claim !== undefined;
      });
    this.#settle(machines, now);
    const isSettled = ({ claim }: Machine): boolean => this.#settled.has(claim.metadata.name);
    // Nothing is done with the pods of machines that are not settled, so that they need no places yet.
    const { attributions, unplaced } =
      pods.length === 0 || !machines.some(isSettled)
        ? NOTHING
        : this.#attribute(this.#inFlight(machines, now), pods, assigned);
    const { joinDeadlineMs } = limits;
    const intents = attributionIntents({ machines, attributions, isSettled, joinDeadlineMs });
    const pinned = new Set(intents.flatMap(({ pin }) => pin?.pod?.uid ?? []));
    this.#pinned = new Map(
      attributions
        .map(({ pod, claim }): [string, string] => [pod.metadata.uid ?? '', claim])
        .filter(([uid]) => pinned.has(uid)),
    );
    extraIntents.replaceAll(intents);
    return { machines, waiting, isSettled: machines.every(isSettled), unplaced };
  }

  #recordFirstSeen(machines: readonly Machine[], now: number): void {
    const names = new Set(machines.map(({ claim }) => claim.metadata.name));
    for (const name of this.#firstSeen.keys()) if (!names.has(name)) this.#firstSeen.delete(name);
    for (const name of this.#settled) if (!names.has(name)) this.#settled.delete(name);
    // A new leader finds claims of batches that were complete long before.
    const isOld = ({ claim }: Machine): boolean =>
      now - Date.parse(claim.metadata.creationTimestamp ?? '') >= this.#o.limits.settleMs + CLOCK_MS;
    for (const machine of machines) {
      const { name } = machine.claim.metadata;
      if (this.#firstSeen.has(name)) continue;
      this.#firstSeen.set(name, now);
      if (this.#isFirst && isOld(machine)) this.#settled.add(name);
      else this.#newestSeen = now;
    }
    this.#isFirst = false;
  }

  /** Settles the machines whose batch is complete and launched. */
  #settle(machines: readonly Machine[], now: number): void {
    const { settleMs } = this.#o.limits;
    const open = machines.filter(({ claim }) => !this.#settled.has(claim.metadata.name));
    const ageOf = ({ claim }: Machine): number => now - (this.#firstSeen.get(claim.metadata.name) ?? now);
    const isLaunched = open.every((m) => m.claim.status?.providerID || ageOf(m) >= LAUNCH_WAIT_MS);
    for (const machine of isLaunched ? open : []) {
      const isComplete = now - this.#newestSeen >= settleMs || ageOf(machine) >= settleMs * MAX_SETTLE_FACTOR;
      if (isComplete) this.#settled.add(machine.claim.metadata.name);
    }
  }

  /** Attributes the pods, or says what it said last if nothing changed since. */
  #attribute(
    inFlight: readonly InFlightClaim[],
    pods: readonly Pod[],
    assigned: ReadonlyMap<string, string>,
  ): Attributed {
    const key = JSON.stringify([
      inFlight.map(({ claim, budget, node }) => [
        claim.metadata.name,
        [...budget],
        node && [node.labels, [...node.free], node.pods.map(({ metadata }) => metadata.uid)],
      ]),
      pods.map(({ metadata: { uid = '' } }) => [uid, assigned.get(uid)]),
    ]);
    if (this.#last?.key !== key) this.#last = { key, value: attributePods({ inFlight, pods, assigned }) };
    return this.#last.value;
  }

  /** The machines that pods may wait for, with what is left of them. */
  #inFlight(machines: readonly Machine[], now: number): InFlightClaim[] {
    const { daemonSets, pods } = this.#o.caches;
    const sets = effectiveDaemonSets({ daemonSets: [...daemonSets.list()], pods: [...pods.list()] });
    return machines
      .filter((m) => !this.#isLate(m, now))
      .map((m) => inFlightOf(m, m.node ? pods.by('node', m.nodeName) : [], sets));
  }

  #isLate({ claim }: Machine, now: number): boolean {
    return now - Date.parse(claim.metadata.creationTimestamp ?? '') >= this.#o.limits.joinDeadlineMs;
  }
}
