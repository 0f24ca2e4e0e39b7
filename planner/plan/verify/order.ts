import type { Pod } from '../../../api/objects.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { Refusal } from '../../scheduling/fit.ts';
import { requiredSpread } from '../../scheduling/topologyspread.ts';
import { PodRules, type Site } from './podrules.ts';

/** A pod that the plan brings, with the index of its site. */
export interface Arrival {
  readonly pod: Pod;
  readonly at: number;
}

/** Limits of the search: pods to order, and pods taken off for one of them. A plan that needs more is refused. */
const MOST_PODS = 20;
const MOST_STEPS = 20;

/**
 * Searches for an order in which pods may come. Spread is checked when a pod comes, so a pod that is one too many for
 * its domain as the last one may be allowed before others, which count other nodes.
 */
export class ArrivalOrder {
  readonly #snapshot: Snapshot;
  readonly #sites: readonly Site[];
  readonly #arrivals: readonly Arrival[];
  readonly #rules: PodRules;
  #left = MOST_PODS;

  constructor(snapshot: Snapshot, sites: readonly Site[], arrivals: readonly Arrival[], rules: PodRules) {
    this.#snapshot = snapshot;
    this.#sites = sites;
    this.#arrivals = arrivals;
    this.#rules = rules;
  }

  /** Why a pod can't come to a site in any order that was found; undefined when it can. */
  refusal(pod: Pod, at: number, site: Site): Refusal | undefined {
    const refused = this.#rules.refusal(pod, at, site);
    if (refused?.code !== 'PodTopologySpread' || this.#left === 0) return refused;
    this.#left -= 1;
    return this.#comesEarlier(pod, at, site) ? undefined : refused;
  }

  /** Takes off pods of its domain that may come after it, until the rules allow it. */
  #comesEarlier(pod: Pod, at: number, site: Site): boolean {
    const keys = requiredSpread(pod).map(({ topologyKey }) => topologyKey);
    let sites = this.#sites.with(at, site);
    let others = this.#arrivals.filter(
      (other) =>
        other.pod !== pod &&
        keys.some(
          (key) =>
            valueAt(sites[other.at]?.labels, key) === valueAt(site.labels, key) &&
            valueAt(site.labels, key) !== undefined,
        ),
    );
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const rules = new PodRules(this.#snapshot, sites);
      const next = others.find((other) => {
        const neighbour = sites[other.at];
        return neighbour && rules.selects(pod, other.pod) && !rules.refusal(other.pod, other.at, neighbour);
      });
      const neighbour = next && sites[next.at];
      if (!neighbour) return false;
      sites = sites.with(next.at, { ...neighbour, pods: neighbour.pods.filter((each) => each !== next.pod) });
      others = others.filter((other) => other !== next);
      const now = sites[at];
      if (now && !new PodRules(this.#snapshot, sites).refusal(pod, at, now)) return true;
    }
    return false;
  }
}
