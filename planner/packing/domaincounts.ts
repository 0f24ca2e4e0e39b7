import { HOSTNAME } from '../../api/labels.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { outOfRange, readers } from './matrix.ts';
import type { PodRule, Tally } from './podrules.ts';
import type { Problem } from './problem.ts';

const { byteAt, intAt } = readers;

/**
 * How many pods each domain holds once `pods` more have come, each into the emptiest of `domains`; the first of equal
 * ones. `counts` is pods per domain now.
 */
const spreadQuotas = (counts: Int32Array, domains: readonly number[], pods: number): Int32Array => {
  const quotas = Int32Array.from(counts);
  for (let left = pods; left > 0; left -= 1) {
    let emptiest = domains[0] ?? outOfRange(0, domains.length);
    for (const domain of domains) if (intAt(quotas, domain) < intAt(quotas, emptiest)) emptiest = domain;
    quotas[emptiest] = intAt(quotas, emptiest) + 1;
  }
  return quotas;
};

/** Pods per topology domain, kept while pods come and go. Answers whether the pod rules allow one more pod. */
export class DomainCounts {
  readonly #rulesOf: readonly (readonly PodRule[])[];
  readonly #countedBy: readonly Int32Array[];
  readonly #tallies: readonly Tally[];
  /** Per tally and domain. A domain of a per-node key is the node itself. */
  readonly #counts: Int32Array[];
  /** Per tally, pods in all domains. */
  readonly #totals: Int32Array;
  /** Per tally, 1 if every node is a domain of its own. */
  readonly #perNode: Uint8Array;
  /** Per pod class, 1 if it has rules about other pods. */
  readonly #ruled: Uint8Array;
  /** Per pod class, 1 if it must be where others are. */
  readonly #follows: Uint8Array;
  readonly #hasFollowers: boolean;
  /** Per tally of a shared key, the domains that count for the minimum. */
  readonly #domains: readonly (readonly number[])[];
  /** Per tally, the spread quota of each domain; undefined where none is set. */
  #quotas: (Int32Array | undefined)[];
  /** Per tally and node class: the domain of a shared key, 0 for a per-node key, -1 where the node lacks the label. */
  readonly #domainOfNodeClass: readonly Int32Array[];

  /** `nodes` is the number of nodes to make room for; more may follow. */
  constructor(problem: Problem, nodes: number) {
    const { tallies, ofPodClass, countedBy } = problem.rules;
    this.#tallies = tallies;
    this.#rulesOf = ofPodClass;
    this.#countedBy = countedBy;
    this.#ruled = Uint8Array.from(ofPodClass, (rules) => (rules.length > 0 ? 1 : 0));
    this.#follows = Uint8Array.from(ofPodClass, (rules) =>
      rules.some(({ kind }) => kind === 'some') ? 1 : 0,
    );
    this.#hasFollowers = this.#follows.includes(1);
    this.#perNode = Uint8Array.from(tallies, ({ key }) => (key === '' || key === HOSTNAME ? 1 : 0));
    const domainIds = new Map<string, number>();
    this.#domainOfNodeClass = tallies.map(({ key }, tally) =>
      Int32Array.from(problem.nodeClasses, ({ labels }) => {
        if (key === '') return 0;
        const value = valueAt(labels, key);
        if (value === undefined) return -1;
        if (byteAt(this.#perNode, tally) === 1) return 0;
        const id = `${key}=${value}`;
        const domain = domainIds.get(id) ?? domainIds.size;
        domainIds.set(id, domain);
        return domain;
      }),
    );
    this.#counts = tallies.map(
      (_, tally) => new Int32Array(byteAt(this.#perNode, tally) === 1 ? nodes : domainIds.size),
    );
    this.#totals = new Int32Array(tallies.length);
    this.#quotas = tallies.map(() => undefined);
    this.#domains = tallies.map(({ eligible }, tally) => {
      if (byteAt(this.#perNode, tally) === 1) return [];
      const domains = new Set<number>();
      (this.#domainOfNodeClass[tally] ?? outOfRange(tally, this.#domainOfNodeClass.length)).forEach(
        (domain, nodeClass) => {
          if (domain >= 0 && (!eligible || byteAt(eligible, nodeClass) === 1)) domains.add(domain);
        },
      );
      return [...domains];
    });
  }

  /** The domain of a node, -1 where it has none. */
  #domain(tally: number, node: number, nodeClass: number): number {
    const shared = intAt(
      this.#domainOfNodeClass[tally] ?? outOfRange(tally, this.#domainOfNodeClass.length),
      nodeClass,
    );
    return shared >= 0 && byteAt(this.#perNode, tally) === 1 ? node : shared;
  }

  /** Pods in a domain. Nodes that nothing was counted on have none. */
  #count(tally: number, domain: number): number {
    const counts = this.#counts[tally] ?? outOfRange(tally, this.#counts.length);
    return domain < counts.length ? intAt(counts, domain) : 0;
  }

  /** Counts `n` pods of a class onto a node, or off it when n is negative. */
  add(podClass: number, node: number, nodeClass: number, n: number): void {
    const tallies = this.#countedBy[podClass] ?? outOfRange(podClass, this.#countedBy.length);
    if (tallies.length > 0) this.#addTo(tallies, node, nodeClass, n);
  }

  #addTo(tallies: Int32Array, node: number, nodeClass: number, n: number): void {
    for (let k = 0; k < tallies.length; k += 1) {
      const tally = intAt(tallies, k);
      const { eligible } = this.#tallies[tally] ?? outOfRange(tally, this.#tallies.length);
      if (eligible && byteAt(eligible, nodeClass) === 0) continue;
      const domain = this.#domain(tally, node, nodeClass);
      if (domain < 0) continue;
      let counts = this.#counts[tally] ?? outOfRange(tally, this.#counts.length);
      if (domain >= counts.length) {
        const grown = new Int32Array(Math.max(domain + 1, counts.length * 2));
        grown.set(counts);
        counts = grown;
        this.#counts[tally] = grown;
      }
      counts[domain] = intAt(counts, domain) + n;
      this.#totals[tally] = intAt(this.#totals, tally) + n;
    }
  }

  /** Pods in the emptiest domain; 0 where there are fewer domains than minDomains. */
  #minimum(tally: number, minDomains: number): number {
    const domains = this.#domains[tally] ?? outOfRange(tally, this.#domains.length);
    if (byteAt(this.#perNode, tally) === 1 || domains.length < minDomains || domains.length === 0) return 0;
    const counts = this.#counts[tally] ?? outOfRange(tally, this.#counts.length);
    let minimum = Number.POSITIVE_INFINITY;
    for (const domain of domains) minimum = Math.min(minimum, intAt(counts, domain));
    return minimum;
  }

  /**
   * Sets spread quotas, with `coming` pods per class still to come: a node can then be filled before the turn of its
   * domain, as long as the other pods follow. Check the result with `satisfiesRules` once it is whole.
   */
  setSpreadQuotas(coming: Int32Array): void {
    this.#quotas = this.#tallies.map(({ counted }, tally) => {
      const domains = this.#domains[tally] ?? outOfRange(tally, this.#domains.length);
      if (domains.length < 2 || !this.#isSpread(tally, domains.length)) return undefined;
      const pods = coming.reduce((sum, n, podClass) => sum + (byteAt(counted, podClass) === 1 ? n : 0), 0);
      return spreadQuotas(this.#counts[tally] ?? outOfRange(tally, this.#counts.length), domains, pods);
    });
  }

  /** Whether some pod class is to be spread over the tally's domains, and there are enough of them. */
  #isSpread(tally: number, domains: number): boolean {
    return this.#rulesOf.some((rules) =>
      rules.some((rule) => rule.kind === 'spread' && rule.tally === tally && rule.minDomains <= domains),
    );
  }

  /** From here on every pod must satisfy its rules at the moment when it is placed. */
  dropSpreadQuotas(): void {
    this.#quotas.fill(undefined);
  }

  /** Whether one more pod of the class may be planned onto a node: its rules hold now, or its quota leaves room. */
  allows(podClass: number, node: number, nodeClass: number): boolean {
    return this.#satisfies(podClass, node, nodeClass, true);
  }

  /** Whether one more pod of the class on a node satisfies its rules now, spread quotas left aside. */
  satisfiesRules(podClass: number, node: number, nodeClass: number): boolean {
    return this.#satisfies(podClass, node, nodeClass, false);
  }

  #satisfies(
    podClass: number,
    node: number,
    nodeClass: number,
    usesQuotas: boolean,
    skipsSpread = false,
  ): boolean {
    for (const rule of this.#rulesOf[podClass] ?? outOfRange(podClass, this.#rulesOf.length)) {
      if (rule.kind === 'none') {
        const domain = this.#domain(rule.tally, node, nodeClass);
        if (domain >= 0 && this.#count(rule.tally, domain) > 0) return false;
      } else if (rule.kind === 'some') {
        let isAnyElsewhere = false;
        let isInEvery = true;
        for (const tally of rule.tallies) {
          const domain = this.#domain(tally, node, nodeClass);
          if (domain < 0) return false;
          if (intAt(this.#totals, tally) > 0) isAnyElsewhere = true;
          if (this.#count(tally, domain) <= 0) isInEvery = false;
        }
        if (!isInEvery && (isAnyElsewhere || !rule.self)) return false;
      } else if (!skipsSpread) {
        const { tally, self, maxSkew, minDomains } = rule;
        const domain = this.#domain(tally, node, nodeClass);
        if (domain < 0) return false;
        const count = this.#count(tally, domain);
        if (usesQuotas && self) {
          const quotas = this.#quotas[tally];
          if (quotas && count < intAt(quotas, domain)) continue;
        }
        if (count + self - this.#minimum(tally, minDomains) > maxSkew) return false;
      }
    }
    return true;
  }

  /** Whether the pod class has rules about other pods. */
  hasRules(podClass: number): boolean {
    return byteAt(this.#ruled, podClass) === 1;
  }

  /** Whether one more pod of the class may be where other pods want it or do not, spread left aside. */
  satisfiesAffinity(podClass: number, node: number, nodeClass: number): boolean {
    return this.#satisfies(podClass, node, nodeClass, false, true);
  }

  /** Whether some pod class must be where others are. */
  get hasFollowers(): boolean {
    return this.#hasFollowers;
  }

  /** Whether pods of the class must be where others are. */
  follows(podClass: number): boolean {
    return this.#hasFollowers && byteAt(this.#follows, podClass) === 1;
  }

  /** Whether pods of `follower` may have to be where pods of the class are. */
  leads(podClass: number, follower: number): boolean {
    const rules = this.#rulesOf[follower] ?? outOfRange(follower, this.#rulesOf.length);
    return rules.some(
      (rule) =>
        rule.kind === 'some' && rule.tallies.some((tally) => this.#tallies[tally]?.counted[podClass] === 1),
    );
  }

  /** Whether pods of the class follow others, or may be followed. */
  isTied(podClass: number): boolean {
    return this.follows(podClass) || this.#rulesOf.some((_, follower) => this.leads(podClass, follower));
  }
}
