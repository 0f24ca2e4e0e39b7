import type { LimitLedger } from '../cluster/nodepoollimits.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import {
  hasSamePickedLabels,
  instanceTypeSetOf,
  instanceTypeSetsByPrice,
  minValuesOf,
  withinCap,
} from '../packing/instancetypeset.ts';
import type { LaunchOption } from '../packing/launchoption.ts';
import type { Problem } from '../packing/problem.ts';
import type { BoughtNode } from './assignment.ts';

/** Whether some pod on the node has rules that tie it to the node's domains. */
const isTied = (problem: Problem, node: BoughtNode): boolean =>
  [...node.content.keys()].some((podClass) =>
    [...(problem.rules.countedBy[podClass] ?? [])].some((tally) => {
      const key = problem.rules.tallies[tally]?.key ?? '';
      return problem.rules.keys.includes(key);
    }),
  );

const sameLabels = (problem: Problem, a: LaunchOption, b: LaunchOption): boolean =>
  problem.rules.keys.every((key) => a.label(key) === b.label(key));

/** More choices than these no claim has a use for, where its NodePool asks for no minValues. */
const MAX_HOLDERS = 400;

/** What a claim may name. */
export interface Alternatives {
  /** The column that the claim is most likely to become. */
  readonly option: CompiledOption;
  /** Columns that go into one claim, the bundle to be tried first at the front; empty when minValues can't be met. */
  readonly instanceTypeSets: readonly (readonly CompiledOption[])[];
}

/** What could take the place of bought nodes under the same NodePools. */
export class AlternativeFinder {
  readonly #problem: Problem;
  /** Whether a column's cost is its price. */
  readonly #isByPrice: boolean;
  /** What was found for nodes of a column with the same content; NodePools with limits apart. */
  readonly #known = new Map<CompiledOption, Map<string, Alternatives>>();

  constructor(problem: Problem) {
    this.#problem = problem;
    this.#isByPrice =
      problem.commitments.length === 0 && problem.allOptions.every((option) => option.podRisk === 0);
  }

  /** What a node's claim may name, in at most so many bundles; sets aside what that takes of its NodePool's limits. */
  choose(node: BoughtNode, ledger: LimitLedger, most: number): Alternatives {
    const { pool, type } = node.option.launchOption;
    const poolName = pool.metadata.name;
    if (ledger.has(poolName)) {
      const found = this.#find(node, ledger, most);
      ledger.take(
        poolName,
        type,
        found.instanceTypeSets.flat().map((each) => each.launchOption.type),
      );
      return found;
    }
    const key = [...node.content].sort(([a], [b]) => a - b).join(' ');
    const ofOption = this.#known.get(node.option) ?? new Map<string, Alternatives>();
    this.#known.set(node.option, ofOption);
    const found = ofOption.get(key) ?? this.#find(node, ledger, most);
    ofOption.set(key, found);
    return found;
  }

  #find(node: BoughtNode, ledger: LimitLedger, most: number): Alternatives {
    const { pool, type } = node.option.launchOption;
    const needs = minValuesOf(pool);
    const isLimited = ledger.has(pool.metadata.name);
    const isAllowed = ({ launchOption }: CompiledOption): boolean =>
      ledger.allows(pool.metadata.name, type, launchOption.type);
    if (needs.size === 0 && this.#isByPrice) {
      const ofAll = (test: (option: CompiledOption) => boolean): CompiledOption[][] => {
        const next = this.#holders(node, MAX_HOLDERS);
        if (!isLimited) return instanceTypeSetsByPrice(next, most);
        return instanceTypeSetsByPrice(() => {
          let option = next();
          while (option && !test(option)) option = next();
          return option;
        }, most);
      };
      const within = ofAll(isAllowed);
      const instanceTypeSets = within.length > 0 || !isLimited ? within : ofAll(() => true);
      return { option: instanceTypeSets[0]?.[0] ?? node.option, instanceTypeSets };
    }
    const all = this.#inOrderOfCost(node);
    const within = all.filter(isAllowed);
    // A claim with fewer values than minValues would be refused by the API server.
    const options = instanceTypeSetOf(within, needs).length > 0 ? within : all;
    let left = options;
    const instanceTypeSets: CompiledOption[][] = [];
    while (left.length > 0 && instanceTypeSets.length < most) {
      const found = instanceTypeSetOf(needs.size > 0 ? left : withinCap(left), needs);
      if (found.length === 0) break;
      instanceTypeSets.push(found);
      const gone = new Set(found);
      left = left.filter((each) => !gone.has(each));
    }
    return { option: options[0] ?? node.option, instanceTypeSets };
  }

  /** Columns that hold what is on the node, in a place that suits every pod there, in order of price. */
  #holders(node: BoughtNode, most: number): () => CompiledOption | undefined {
    const problem = this.#problem;
    const { allOptions, allowed, sizes } = problem;
    const width = problem.dimensions.length;
    const load = new Float64Array(width);
    const podClasses = [...node.content.keys()];
    for (const [podClass, n] of node.content) {
      for (let d = 0; d < width; d += 1) load[d] = (load[d] ?? 0) + n * (sizes[podClass * width + d] ?? 0);
    }
    const tied = isTied(problem, node);
    const suits = new Map<number, boolean>();
    const suitsAll = (nodeClass: number): boolean => {
      const known = suits.get(nodeClass);
      if (known !== undefined) return known;
      const is = podClasses.every(
        (podClass) => allowed[nodeClass * problem.podClasses.length + podClass] === 1,
      );
      suits.set(nodeClass, is);
      return is;
    };
    let last: CompiledOption | null = null;
    let isIn = false;
    let at = 0;
    let count = 0;
    return () => {
      for (; at < allOptions.length && count < most; at += 1) {
        const option = allOptions[at] as CompiledOption;
        const { pool, pickedLabels } = option.launchOption;
        // Columns of one type follow each other, and are alike to most nodes.
        const isAlike =
          last?.room === option.room &&
          last.nodeClass === option.nodeClass &&
          last.launchOption.pool === pool &&
          last.launchOption.pickedLabels === pickedLabels;
        if (!isAlike) {
          last = option;
          isIn = true;
          for (let d = 0; d < width && isIn; d += 1) {
            isIn = (option.room[d] as number) >= (load[d] as number);
          }
          isIn &&=
            suitsAll(option.nodeClass) && hasSamePickedLabels(option.launchOption, node.option.launchOption);
        }
        if (!isIn || (tied && !sameLabels(problem, option.launchOption, node.option.launchOption))) continue;
        at += 1;
        count += 1;
        return option;
      }
      return undefined;
    };
  }

  #inOrderOfCost(node: BoughtNode): CompiledOption[] {
    const next = this.#holders(node, Number.POSITIVE_INFINITY);
    const options: CompiledOption[] = [];
    for (let option = next(); option; option = next()) options.push(option);
    const costOf = (option: CompiledOption): number => {
      // What is meant may be the cheapest for its commitment alone.
      if (option === node.option && this.#problem.commitments.length > 0) return 0;
      return option.price + node.pods.length * option.podRisk;
    };
    return options.sort((a, b) => costOf(a) - costOf(b));
  }
}
