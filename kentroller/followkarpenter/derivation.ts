import type { Pod } from '../../api/objects.ts';
import { attributePods } from '../../planner/karpenter/attribution.ts';
import { type Caches, nodeOf, UNASSIGNED } from '../caches.ts';
import type { NodeNameCache } from '../cloud/nodenamecache.ts';
import type { ExtraIntents } from '../pinning/extraintents.ts';
import { attributionIntents } from './intents.ts';
import { inFlightOf, type Machine, machinesInFlight } from './machines.ts';
import { isFollowable, movedByPlans } from './pods.ts';

/** Times in milliseconds. */
export interface FollowLimits {
  readonly joinDeadlineMs: number;
  /** How long a pod may wait for a node that is ready before its pin is given up. */
  readonly holdMs: number;
  /** Karpenter writes the claims of one batch at once: this long after the last one, the batch is whole. */
  readonly settleMs: number;
}

export interface DerivationOptions {
  readonly caches: Caches;
  readonly nodeNames: NodeNameCache;
  readonly extraIntents: ExtraIntents;
  readonly limits: FollowLimits;
  readonly now: () => number;
}

export interface Derived {
  readonly machines: readonly Machine[];
  /** Pods without a node that no plan has a say in. */
  readonly waiting: readonly Pod[];
  readonly isSettled: boolean;
}

/** A claim that has waited for the rest of its batch for so long is taken as it is. */
const MAX_SETTLE_FACTOR = 8;

/**
 * Works out what Karpenter's claims in flight were bought for, and puts the intents into the feed. All of it follows
 * from the cluster; what is remembered only keeps pods where they were told to go, and tells whether a batch is whole.
 */
export class Derivation {
  readonly #o: DerivationOptions;
  #told: ReadonlyMap<string, string> = new Map();
  readonly #firstSeen = new Map<string, number>();
  #newestSeen = Number.NEGATIVE_INFINITY;

  constructor(o: DerivationOptions) {
    this.#o = o;
  }

  derive(): Derived {
    const { caches, nodeNames, extraIntents, limits } = this.#o;
    const now = this.#o.now();
    const isPlanned = movedByPlans(caches.plans.list());
    const waiting = caches.pods.by(UNASSIGNED, '').filter((pod) => !isPlanned(pod));
    const machines = machinesInFlight({
      nodeClaims: caches.nodeClaims.list(),
      nodePool: (name) => caches.nodePools.get(name),
      node: (claim) => nodeOf(caches, claim),
      nodeName: (providerID) => nodeNames.get(providerID),
      now,
      holdMs: limits.holdMs,
    });
    this.#see(machines, now);
    const nominated = new Map(
      machines.map((m) => [m.nodeName || m.claim.metadata.name, m.claim.metadata.name]),
    );
    const told = new Map(this.#told);
    const pods = waiting.filter(isFollowable).filter((pod) => {
      const name = pod.status?.nominatedNodeName ?? '';
      const claim = nominated.get(name);
      if (claim !== undefined) told.set(pod.metadata.uid ?? '', claim);
      return name === '' || claim !== undefined;
    });
    const daemonSets = caches.daemonSets.list();
    const attributions =
      pods.length === 0
        ? []
        : attributePods({
            inFlight: machines
              .filter((m) => !this.#isLate(m, now))
              .map((m) => inFlightOf(m, m.node ? caches.pods.by('node', m.nodeName) : [], daemonSets)),
            pods,
            told,
          });
    const isSettled = (machine: Machine): boolean => this.#isSettled(machine, now);
    const { joinDeadlineMs } = limits;
    const intents = attributionIntents({ machines, attributions, isSettled, joinDeadlineMs });
    const pinned = new Set(intents.flatMap(({ pin }) => pin?.pod?.uid ?? []));
    this.#told = new Map(
      attributions
        .map(({ pod, claim }): [string, string] => [pod.metadata.uid ?? '', claim])
        .filter(([uid]) => pinned.has(uid)),
    );
    extraIntents.put(intents);
    return { machines, waiting, isSettled: machines.every(isSettled) };
  }

  #see(machines: readonly Machine[], now: number): void {
    const names = new Set(machines.map(({ claim }) => claim.metadata.name));
    for (const name of this.#firstSeen.keys()) if (!names.has(name)) this.#firstSeen.delete(name);
    for (const name of names) {
      if (this.#firstSeen.has(name)) continue;
      this.#firstSeen.set(name, now);
      this.#newestSeen = now;
    }
  }

  #isSettled({ claim }: Machine, now: number): boolean {
    const { settleMs } = this.#o.limits;
    const seen = this.#firstSeen.get(claim.metadata.name) ?? now;
    return now - this.#newestSeen >= settleMs || now - seen >= settleMs * MAX_SETTLE_FACTOR;
  }

  #isLate({ claim }: Machine, now: number): boolean {
    return now - Date.parse(claim.metadata.creationTimestamp ?? '') >= this.#o.limits.joinDeadlineMs;
  }
}
