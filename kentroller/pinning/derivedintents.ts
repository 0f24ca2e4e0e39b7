import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { Intent } from '../../api/pinning.ts';
import { type IntentSources, inOrder, intentsOf, type PlanIntents } from './intents.ts';

/** What was read under each key, and whether reading it again gives the same. */
type Reads = Map<string, { readonly value: unknown; readonly isSame: () => boolean }>;

interface Derived {
  readonly plan: RebalancePlan;
  readonly intents: PlanIntents;
  readonly reads: Reads;
}

/** Sources that note all that is read from them; two readings are the same where what intents take of them is. */
const noting = (s: IntentSources, reads: Reads): IntentSources => {
  const note = <T>(key: string, read: () => T, taken: (value: T) => unknown): T => {
    const known = reads.get(key);
    if (known) return known.value as T;
    const value = read();
    reads.set(key, { value, isSame: () => taken(read()) === taken(value) });
    return value;
  };
  return {
    ...s,
    claim: (name) =>
      note(
        `claim/${name}`,
        () => s.claim(name),
        (claim) => claim,
      ),
    node: (claim) =>
      note(
        `node of/${claim.metadata.name}`,
        () => s.node(claim),
        (node) => node?.metadata.name,
      ),
    nodeNamed: (name) =>
      note(
        `node/${name}`,
        () => s.nodeNamed(name),
        (node) => node?.metadata.name,
      ),
    pod: (namespace, name) =>
      note(
        `pod/${namespace}/${name}`,
        () => s.pod(namespace, name),
        (pod) => pod?.metadata.uid,
      ),
    nodeName: (providerID) =>
      note(
        `machine/${providerID}`,
        () => s.nodeName(providerID),
        (name) => name,
      ),
  };
};

/**
 * The intents of all plans. A plan's are derived anew only when the plan or something that they were derived from has
 * changed: 30,000 moves take longer than the next change is away.
 */
export class DerivedIntents {
  readonly #sources: IntentSources;
  #derived: ReadonlyMap<string, Derived> = new Map();
  #all: readonly Intent[] = [];

  constructor(sources: IntentSources) {
    this.#sources = sources;
  }

  /** The same list as before while no plan's intents were derived anew. */
  of(plans: readonly RebalancePlan[]): readonly Intent[] {
    const next = new Map(plans.map((plan) => [plan.metadata.name, this.#derive(plan)]));
    const isSame =
      next.size === this.#derived.size &&
      [...next].every(([name, derived]) => this.#derived.get(name) === derived);
    this.#derived = next;
    if (!isSame) this.#all = inOrder([...next.values()].map(({ intents }) => intents));
    return this.#all;
  }

  #derive(plan: RebalancePlan): Derived {
    const last = this.#derived.get(plan.metadata.name);
    if (last?.plan === plan && [...last.reads.values()].every(({ isSame }) => isSame())) return last;
    const reads: Reads = new Map();
    return { plan, intents: intentsOf(noting(this.#sources, reads), plan), reads };
  }
}
