import { HOSTNAME } from '../../api/labels.ts';
import type { Problem } from './problem.ts';

/** Counts of pods per topology domain, kept as pods come and go; answers what the rules ask. */
export class DomainCounts {
  readonly #problem: Problem;
  /** Per tally and domain. A domain of a per-node key is the node itself. */
  readonly #counts: Int32Array[];
  readonly #totals: Int32Array;
  readonly #perNode: Uint8Array;
  /** Per shape, 1 if it asks anything of other pods. */
  readonly #ruled: Uint8Array;
  /** Per tally, which domains of a shared key count for the minimum. */
  readonly #domains: (readonly number[])[];
  /** Per tally of a shared key, how many pods each domain has in the end when all are spread evenly. */
  readonly #quotas: (Int32Array | null)[];
  /** Per tally and group: domain of a shared key, -1 where the node lacks the label. */
  readonly #domainOfNodeClass: Int32Array[];

  constructor(problem: Problem, nodes: number) {
    this.#problem = problem;
    const { tallies, ofPodClass } = problem.rules;
    this.#ruled = Uint8Array.from(ofPodClass, (rules) => (rules.length > 0 ? 1 : 0));
    this.#perNode = Uint8Array.from(tallies, (tally) => (tally.key === '' || tally.key === HOSTNAME ? 1 : 0));
    const values = new Map<string, number>();
    this.#domainOfNodeClass = tallies.map((tally, t) =>
      this.#perNode[t]
        ? Int32Array.from(problem.nodeClasses, (nodeClass) =>
            tally.key === '' || nodeClass.labels[tally.key] !== undefined ? 0 : -1,
          )
        : Int32Array.from(problem.nodeClasses, (nodeClass) => {
            const value = nodeClass.labels[tally.key];
            if (value === undefined) return -1;
            const id = `${tally.key}=${value}`;
            const known = values.get(id) ?? values.size;
            values.set(id, known);
            return known;
          }),
    );
    this.#counts = tallies.map((_, t) => new Int32Array(this.#perNode[t] ? nodes : values.size));
    this.#totals = new Int32Array(tallies.length);
    this.#quotas = tallies.map(() => null);
    this.#domains = tallies.map((tally, t) => {
      if (this.#perNode[t]) return [];
      const found = new Set<number>();
      problem.nodeClasses.forEach((_, g) => {
        const domain = this.#domainOfNodeClass[t]?.[g] ?? -1;
        if (domain >= 0 && (tally.eligible === null || tally.eligible[g])) found.add(domain);
      });
      return [...found];
    });
  }

  #domain(tally: number, node: number, nodeClass: number): number {
    const shared = this.#domainOfNodeClass[tally]?.[nodeClass] ?? -1;
    return shared >= 0 && this.#perNode[tally] ? node : shared;
  }

  /** Counts `n` pods of a shape onto a node, or off it when n is negative. */
  add(podClass: number, node: number, nodeClass: number, n: number): void {
    const { tallies, countedBy } = this.#problem.rules;
    const counting = countedBy[podClass];
    if (!counting || counting.length === 0) return;
    for (const tally of counting) {
      const eligible = tallies[tally]?.eligible;
      if (eligible && !eligible[nodeClass]) continue;
      const domain = this.#domain(tally, node, nodeClass);
      if (domain < 0) continue;
      let counts = this.#counts[tally] as Int32Array;
      if (domain >= counts.length) {
        const grown = new Int32Array(Math.max(domain + 1, counts.length * 2));
        grown.set(counts);
        counts = grown;
        this.#counts[tally] = grown;
      }
      counts[domain] = (counts[domain] ?? 0) + n;
      this.#totals[tally] = (this.#totals[tally] ?? 0) + n;
    }
  }

  #least(tally: number, minDomains: number): number {
    const domains = this.#domains[tally] ?? [];
    if (this.#perNode[tally] || domains.length < minDomains || domains.length === 0) return 0;
    const counts = this.#counts[tally] as Int32Array;
    let least = Number.POSITIVE_INFINITY;
    for (const domain of domains) least = Math.min(least, counts[domain] ?? 0);
    return least;
  }

  /**
   * Sets how pods that are spread shall lie in the end, with `coming` pods per shape still to be counted: then a node
   * can be filled before its domain's turn comes, as long as the others follow. What was planned so is to be checked
   * with `isLawful` once it is whole.
   */
  setSpreadQuotas(coming: Int32Array): void {
    this.#problem.rules.tallies.forEach((tally, t) => {
      const domains = this.#domains[t] ?? [];
      if (this.#perNode[t] || domains.length < 2 || !this.#isSpread(t)) return;
      let left = coming.reduce((sum, n, podClass) => sum + (tally.counted[podClass] ? n : 0), 0);
      const quotas = Int32Array.from(this.#counts[t] as Int32Array);
      for (; left > 0; left -= 1) {
        let emptiest = domains[0] ?? 0;
        for (const domain of domains) {
          if ((quotas[domain] ?? 0) < (quotas[emptiest] ?? 0)) emptiest = domain;
        }
        quotas[emptiest] = (quotas[emptiest] ?? 0) + 1;
      }
      this.#quotas[t] = quotas;
    });
  }

  #isSpread(tally: number): boolean {
    const { ofPodClass } = this.#problem.rules;
    return ofPodClass.some((rules) =>
      rules.some(
        (rule) =>
          rule.kind === 'spread' &&
          rule.tally === tally &&
          rule.minDomains <= (this.#domains[tally]?.length ?? 0),
      ),
    );
  }

  /** From here on a pod may only come where it could come now, whatever is still to follow. */
  dropSpreadQuotas(): void {
    this.#quotas.fill(null);
  }

  /** Whether a plan may put one more pod of the shape onto a node. */
  allows(podClass: number, node: number, nodeClass: number): boolean {
    return this.#satisfies(podClass, node, nodeClass, true);
  }

  /** Whether the rules let one more pod of the shape onto a node as things stand. */
  satisfiesRules(podClass: number, node: number, nodeClass: number): boolean {
    return this.#satisfies(podClass, node, nodeClass, false);
  }

  #satisfies(podClass: number, node: number, nodeClass: number, usesQuotas: boolean): boolean {
    for (const rule of this.#problem.rules.ofPodClass[podClass] ?? []) {
      if (rule.kind === 'none') {
        const domain = this.#domain(rule.tally, node, nodeClass);
        if (domain >= 0 && (this.#counts[rule.tally]?.[domain] ?? 0) > 0) return false;
      } else if (rule.kind === 'some') {
        let any = false;
        let every = true;
        for (const tally of rule.tallies) {
          const domain = this.#domain(tally, node, nodeClass);
          if (domain < 0) return false;
          if ((this.#totals[tally] ?? 0) > 0) any = true;
          if ((this.#counts[tally]?.[domain] ?? 0) <= 0) every = false;
        }
        if (!every && (any || !rule.self)) return false;
      } else {
        const domain = this.#domain(rule.tally, node, nodeClass);
        if (domain < 0) return false;
        const count = this.#counts[rule.tally]?.[domain] ?? 0;
        const quotas = usesQuotas && rule.self ? this.#quotas[rule.tally] : null;
        if (quotas && count < (quotas[domain] ?? 0)) continue;
        if (count + rule.self - this.#least(rule.tally, rule.minDomains) > rule.maxSkew) return false;
      }
    }
    return true;
  }

  /** Whether the shape asks anything of other pods. */
  hasRules(podClass: number): boolean {
    return this.#ruled[podClass] === 1;
  }
}
