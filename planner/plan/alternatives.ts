import type { RemainingLimits } from '../cluster/nodepoollimits.ts';
import type { OfferColumn } from '../packing/compiledoption.ts';
import { bundle, isSamePick, minValuesOf, plainBundles, withinCap } from '../packing/instancetypeset.ts';
import type { Offer } from '../packing/launchoption.ts';
import type { Problem } from '../packing/problem.ts';
import type { BoughtNode } from './assignment.ts';

/** Whether some pod on the node has rules that tie it to the node's domains. */
const isTied = (problem: Problem, node: BoughtNode): boolean =>
  [...node.content.keys()].some((shape) =>
    [...(problem.rules.countedBy[shape] ?? [])].some((tally) => {
      const key = problem.rules.tallies[tally]?.key ?? '';
      return problem.rules.keys.includes(key);
    }),
  );

const sameLabels = (problem: Problem, a: Offer, b: Offer): boolean =>
  problem.rules.keys.every((key) => a.label(key) === b.label(key));

/** More choices than these no claim has a use for, where its NodePool asks for no minValues. */
const MAX_CHOICES = 400;

/** What a claim may name. */
export interface Choice {
  /** The column that the claim is most likely to become. */
  readonly column: OfferColumn;
  /** Columns that go into one claim, the bundle to be tried first at the front; empty when minValues can't be met. */
  readonly bundles: readonly (readonly OfferColumn[])[];
}

/** What could take the place of bought nodes under the same NodePools. */
export class Choices {
  readonly #problem: Problem;
  /** Whether a column's cost is its price. */
  readonly #isByPrice: boolean;
  /** What was found for nodes of a column with the same content; NodePools with limits apart. */
  readonly #known = new Map<OfferColumn, Map<string, Choice>>();

  constructor(problem: Problem) {
    this.#problem = problem;
    this.#isByPrice =
      problem.commitments.length === 0 && problem.everyColumn.every((column) => column.podRisk === 0);
  }

  /** What a node's claim may name, in at most so many bundles; sets aside what that takes of its NodePool's limits. */
  choose(node: BoughtNode, limits: RemainingLimits, most: number): Choice {
    const { pool, type } = node.column.offer;
    const poolName = pool.metadata.name;
    if (limits.isLimited(poolName)) {
      const found = this.#find(node, limits, most);
      limits.reserveLargest(
        poolName,
        type,
        found.bundles.flat().map((each) => each.offer.type),
      );
      return found;
    }
    const key = [...node.content].sort(([a], [b]) => a - b).join(' ');
    const ofColumn = this.#known.get(node.column) ?? new Map<string, Choice>();
    this.#known.set(node.column, ofColumn);
    const found = ofColumn.get(key) ?? this.#find(node, limits, most);
    ofColumn.set(key, found);
    return found;
  }

  #find(node: BoughtNode, limits: RemainingLimits, most: number): Choice {
    const { pool, type } = node.column.offer;
    const needs = minValuesOf(pool);
    const isLimited = limits.isLimited(pool.metadata.name);
    const isAllowed = ({ offer }: OfferColumn): boolean =>
      limits.allowsAlternative(pool.metadata.name, type, offer.type);
    if (needs.size === 0 && this.#isByPrice) {
      const ofAll = (test: (column: OfferColumn) => boolean): OfferColumn[][] => {
        const next = this.#holders(node, MAX_CHOICES);
        if (!isLimited) return plainBundles(next, most);
        return plainBundles(() => {
          let column = next();
          while (column && !test(column)) column = next();
          return column;
        }, most);
      };
      const within = ofAll(isAllowed);
      const bundles = within.length > 0 || !isLimited ? within : ofAll(() => true);
      return { column: bundles[0]?.[0] ?? node.column, bundles };
    }
    const all = this.#inOrderOfCost(node);
    const within = all.filter(isAllowed);
    // A claim with fewer values than minValues would be refused by the API server.
    const choices = bundle(within, needs).length > 0 ? within : all;
    let left = choices;
    const bundles: OfferColumn[][] = [];
    while (left.length > 0 && bundles.length < most) {
      const found = bundle(needs.size > 0 ? left : withinCap(left), needs);
      if (found.length === 0) break;
      bundles.push(found);
      const gone = new Set(found);
      left = left.filter((each) => !gone.has(each));
    }
    return { column: choices[0] ?? node.column, bundles };
  }

  /** Columns that hold what is on the node, in a place that suits every pod there, in order of price. */
  #holders(node: BoughtNode, most: number): () => OfferColumn | undefined {
    const problem = this.#problem;
    const { everyColumn, allowed, sizes } = problem;
    const width = problem.dimensions.length;
    const load = new Float64Array(width);
    const shapes = [...node.content.keys()];
    for (const [shape, n] of node.content) {
      for (let d = 0; d < width; d += 1) load[d] = (load[d] ?? 0) + n * (sizes[shape * width + d] ?? 0);
    }
    const tied = isTied(problem, node);
    const suits = new Map<number, boolean>();
    const suitsAll = (group: number): boolean => {
      const known = suits.get(group);
      if (known !== undefined) return known;
      const is = shapes.every((shape) => allowed[group * problem.shapes.length + shape] === 1);
      suits.set(group, is);
      return is;
    };
    let last: OfferColumn | null = null;
    let isIn = false;
    let at = 0;
    let count = 0;
    return () => {
      for (; at < everyColumn.length && count < most; at += 1) {
        const column = everyColumn[at] as OfferColumn;
        const { pool, picked } = column.offer;
        // Columns of one type follow each other, and are alike to most nodes.
        const isAlike =
          last?.room === column.room &&
          last.group === column.group &&
          last.offer.pool === pool &&
          last.offer.picked === picked;
        if (!isAlike) {
          last = column;
          isIn = true;
          for (let d = 0; d < width && isIn; d += 1) {
            isIn = (column.room[d] as number) >= (load[d] as number);
          }
          isIn &&= suitsAll(column.group) && isSamePick(column.offer, node.column.offer);
        }
        if (!isIn || (tied && !sameLabels(problem, column.offer, node.column.offer))) continue;
        at += 1;
        count += 1;
        return column;
      }
      return undefined;
    };
  }

  #inOrderOfCost(node: BoughtNode): OfferColumn[] {
    const next = this.#holders(node, Number.POSITIVE_INFINITY);
    const columns: OfferColumn[] = [];
    for (let column = next(); column; column = next()) columns.push(column);
    const costOf = (column: OfferColumn): number => {
      // What is meant may be the cheapest for its commitment alone.
      if (column === node.column && this.#problem.commitments.length > 0) return 0;
      return column.price + node.pods.length * column.podRisk;
    };
    return columns.sort((a, b) => costOf(a) - costOf(b));
  }
}
