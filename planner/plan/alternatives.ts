import type { RemainingLimits } from '../cluster/nodepoollimits.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import {
  hasSamePickedLabels,
  instanceTypeSetOf,
  instanceTypeSetsByPrice,
  minValuesOf,
  setsWithMinValues,
  withinCap,
} from '../packing/instancetypeset.ts';
import type { LaunchOption } from '../packing/launch/launchoption.ts';
import { floatAt, itemAt } from '../packing/matrix.ts';
import type { Problem } from '../packing/problem.ts';
import type { BoughtNode } from './assignment.ts';
import { poolOf, type SpotPools } from './spotpools.ts';

/** Whether rules about domains wider than a node look at pods on the node, or are rules of those pods. */
const isTied = ({ rules }: Problem, node: BoughtNode): boolean => {
  const isWide = (tally: number): boolean => rules.keys.includes(itemAt(rules.tallies, tally).key);
  return [...node.content.keys()].some(
    (podClass) =>
      itemAt(rules.countedBy, podClass).some(isWide) ||
      itemAt(rules.ofPodClass, podClass).some((rule) =>
        rule.kind === 'some' ? rule.tallies.some(isWide) : isWide(rule.tally),
      ),
  );
};

const sameLabels = (problem: Problem, a: LaunchOption, b: LaunchOption): boolean =>
  problem.rules.keys.every((key) => a.label(key) === b.label(key));

/** Options that are looked at per NodeClaim, where its NodePool has no minValues. */
const MAX_HOLDERS = 400;

/** What a NodeClaim may be ordered as. */
export interface Alternatives {
  /** The option that the claim is most likely to become. */
  readonly option: CompiledOption;
  /** One set per attempt, in the order of the attempts; empty when minValues can't be met. */
  readonly instanceTypeSets: readonly (readonly CompiledOption[])[];
}

/** How a plan spreads workloads over spot pools. */
export interface Diversity {
  /** How much dearer than the cheapest spot a machine may be, in percent. */
  readonly percent: number;
  readonly pools: SpotPools;
}

/** Finds the alternatives of bought nodes, within the same NodePools and their limits. */
export class AlternativeFinder {
  readonly #problem: Problem;
  readonly #spotFallback: boolean;
  readonly #diversity: Diversity | undefined;
  /** Whether an option's cost is its price. */
  readonly #isByPrice: boolean;
  /** Alternatives by option and content, of NodePools without limits. */
  readonly #known = new Map<CompiledOption, Map<string, Alternatives>>();

  /** With `spotFallback` a claim of spot alone ends with what is cheapest on demand, where its NodePool buys that. */
  constructor(
    problem: Problem,
    {
      spotFallback = false,
      diversity,
    }: { readonly spotFallback?: boolean; readonly diversity?: Diversity } = {},
  ) {
    this.#problem = problem;
    this.#spotFallback = spotFallback;
    this.#diversity = diversity;
    this.#isByPrice =
      problem.commitments.length === 0 && problem.allOptions.every((option) => option.podRisk === 0);
  }

  /** The alternatives of a node, at most `most` sets. Reserves what the largest of them takes of the limits. */
  find(node: BoughtNode, limits: RemainingLimits, most: number): Alternatives {
    const { pool, type } = node.option.launchOption;
    const poolName = pool.metadata.name;
    if (limits.isLimited(poolName)) {
      const all = this.#withFallback(node, this.#search(node, limits, most), limits, most);
      const found = this.#withRarestSpotFirst(node, all, limits, most);
      limits.reserveLargest(
        poolName,
        type,
        found.instanceTypeSets.flat().map(({ launchOption }) => launchOption.type),
      );
      return found;
    }
    const key = [...node.content].sort(([a], [b]) => a - b).join(' ');
    const ofOption = this.#known.get(node.option) ?? new Map<string, Alternatives>();
    this.#known.set(node.option, ofOption);
    const found =
      ofOption.get(key) ?? this.#withFallback(node, this.#search(node, limits, most), limits, most);
    ofOption.set(key, found);
    return this.#withRarestSpotFirst(node, found, limits, most);
  }

  /** The alternatives with one of the spot pool in front in which the node's workloads have the fewest nodes. */
  #withRarestSpotFirst(
    node: BoughtNode,
    found: Alternatives,
    limits: RemainingLimits,
    most: number,
  ): Alternatives {
    const { option, instanceTypeSets } = found;
    const { pool, type } = option.launchOption;
    const isSpot = ({ launchOption }: CompiledOption): boolean =>
      launchOption.offering.capacityType === 'spot';
    if (!this.#diversity || !isSpot(option) || minValuesOf(pool).size > 0) return found;
    const { percent, pools } = this.#diversity;
    const cap = option.price * (1 + percent / 100);
    const spotPoolOf = ({ launchOption }: CompiledOption): string =>
      poolOf(launchOption.type.name, launchOption.offering);
    const next = this.#holders(node, MAX_HOLDERS);
    let best = option;
    let fewest = pools.of(node.pods, spotPoolOf(option));
    // In order of price: of equally many nodes the cheapest is taken.
    for (let other = next(); other && other.price <= cap; other = next()) {
      const nodes = pools.of(node.pods, spotPoolOf(other));
      const isAllowed = limits.allowsAlternative(pool.metadata.name, type, other.launchOption.type);
      if (isSpot(other) && isAllowed && nodes < fewest) [best, fewest] = [other, nodes];
    }
    pools.count(node.pods, spotPoolOf(best));
    const rest = instanceTypeSets.length < most ? instanceTypeSets : instanceTypeSets.toSpliced(-2, 1);
    return { option: best, instanceTypeSets: [[best], ...rest] };
  }

  #search(node: BoughtNode, limits: RemainingLimits, most: number): Alternatives {
    const { pool, type } = node.option.launchOption;
    const needs = minValuesOf(pool);
    const isLimited = limits.isLimited(pool.metadata.name);
    const isAllowed = ({ launchOption }: CompiledOption): boolean =>
      limits.allowsAlternative(pool.metadata.name, type, launchOption.type);
    if (needs.size === 0 && this.#isByPrice) {
      const next = this.#holders(node, MAX_HOLDERS);
      const nextAllowed = (): CompiledOption | undefined => {
        let option = next();
        while (option && !isAllowed(option)) option = next();
        return option;
      };
      const within = instanceTypeSetsByPrice(isLimited ? nextAllowed : next, most);
      // The planned option is always within the limits, but may come after too many others to be looked at.
      const instanceTypeSets = within.length > 0 || !isLimited ? within : [[node.option]];
      return { option: instanceTypeSets[0]?.[0] ?? node.option, instanceTypeSets };
    }
    const all = this.#inOrderOfCost(node, node.option.most ?? Number.POSITIVE_INFINITY);
    const within = all.filter(isAllowed);
    // The API server refuses a claim with fewer values than minValues.
    const setOf = (list: readonly CompiledOption[]): readonly CompiledOption[] =>
      needs.size > 0 ? (setsWithMinValues(list, needs)[0] ?? []) : instanceTypeSetOf(withinCap(list), needs);
    const options = setOf(within).length > 0 ? within : all;
    let left = options;
    const instanceTypeSets: (readonly CompiledOption[])[] = [];
    while (left.length > 0 && instanceTypeSets.length < most) {
      const found = setOf(left);
      if (found.length === 0) break;
      instanceTypeSets.push(found);
      const used = new Set(found);
      left = left.filter((option) => !used.has(option));
    }
    const [cheapest] = options;
    const [first] = instanceTypeSets;
    const option = cheapest && first?.includes(cheapest) ? cheapest : first?.[0];
    return { option: option ?? cheapest ?? node.option, instanceTypeSets };
  }

  /** The alternatives with one on demand at the end, where all others are spot and may be gone together. */
  #withFallback(node: BoughtNode, found: Alternatives, limits: RemainingLimits, most: number): Alternatives {
    const { instanceTypeSets } = found;
    const isSpot = ({ launchOption }: CompiledOption): boolean =>
      launchOption.offering.capacityType === 'spot';
    if (!this.#spotFallback || instanceTypeSets.length === 0 || !instanceTypeSets.flat().every(isSpot))
      return found;
    const { pool, type } = node.option.launchOption;
    const { allowedInsteadOfSpot } = this.#problem;
    const onDemand = this.#inOrderOfCost(node, Number.POSITIVE_INFINITY, allowedInsteadOfSpot).filter(
      ({ launchOption }) =>
        launchOption.pool === pool &&
        launchOption.offering.capacityType === 'on-demand' &&
        limits.allowsAlternative(pool.metadata.name, type, launchOption.type),
    );
    const needs = minValuesOf(pool);
    const fallback =
      needs.size > 0
        ? (setsWithMinValues(onDemand, needs)[0] ?? [])
        : instanceTypeSetOf(withinCap(onDemand), needs);
    if (fallback.length === 0) return found;
    return { ...found, instanceTypeSets: [...instanceTypeSets.slice(0, most - 1), fallback] };
  }

  /** Options that can hold the pods of the node, one a call in order of price, at most `most`. */
  #holders(
    node: BoughtNode,
    most: number,
    allowed = this.#problem.allowed,
  ): () => CompiledOption | undefined {
    const problem = this.#problem;
    const { allOptions, sizes } = problem;
    const width = problem.dimensions.length;
    const load = new Float64Array(width);
    const podClasses = [...node.content.keys()];
    for (const [podClass, n] of node.content) {
      for (let d = 0; d < width; d += 1) load[d] = floatAt(load, d) + n * sizes.at(podClass, d);
    }
    const tied = isTied(problem, node);
    const suits = new Map<number, boolean>();
    const suitsAll = (nodeClass: number): boolean => {
      const known = suits.get(nodeClass);
      if (known !== undefined) return known;
      const allowsAll = podClasses.every((podClass) => allowed.has(nodeClass, podClass));
      suits.set(nodeClass, allowsAll);
      return allowsAll;
    };
    let last: CompiledOption | undefined;
    let canHold = false;
    let at = 0;
    let count = 0;
    return () => {
      for (; at < allOptions.length && count < most; at += 1) {
        const option = itemAt(allOptions, at);
        const { pool, pickedLabels } = option.launchOption;
        // Others are counted for the nodes that are planned into them.
        if (option.launchOption.offering.reservation && option !== node.option) continue;
        // Options of one type follow each other, and most are equal in all that counts here.
        const isAlike =
          last?.room === option.room &&
          last.nodeClass === option.nodeClass &&
          last.launchOption.pool === pool &&
          last.launchOption.pickedLabels === pickedLabels;
        if (!isAlike) {
          last = option;
          canHold = true;
          for (let d = 0; d < width && canHold; d += 1) {
            canHold = floatAt(option.room, d) >= floatAt(load, d);
          }
          canHold &&=
            suitsAll(option.nodeClass) && hasSamePickedLabels(option.launchOption, node.option.launchOption);
        }
        if (!canHold || (tied && !sameLabels(problem, option.launchOption, node.option.launchOption)))
          continue;
        at += 1;
        count += 1;
        return option;
      }
      return undefined;
    };
  }

  /** Options that can hold the node's pods and cost `most` USD per hour or less. */
  #inOrderOfCost(node: BoughtNode, most: number, allowed = this.#problem.allowed): CompiledOption[] {
    const next = this.#holders(node, Number.POSITIVE_INFINITY, allowed);
    const options: CompiledOption[] = [];
    for (let option = next(); option; option = next()) {
      if (option.price <= most) options.push(option);
    }
    const costOf = (option: CompiledOption): number => {
      // The planned option may be the cheapest only because a commitment covers it.
      if (option.launchOption === node.option.launchOption && this.#problem.commitments.length > 0) return 0;
      return option.price + node.pods.length * option.podRisk;
    };
    return options.sort((a, b) => costOf(a) - costOf(b));
  }
}
