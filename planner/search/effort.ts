import { outOfRange, readers } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';

const { floatAt } = readers;

/** What looks on while a search goes on; it is called often. */
export interface SearchWatch {
  /** A search begins, the first or one more. */
  begin(): void;
  /** Rounds of local search since the last call, and what the best answer so far saves, in USD per hour. */
  advance(rounds: number, saves: number): void;
}

/** How long and how hard to search. */
export interface Effort {
  readonly seed: number;
  /** Rounds of local search. */
  readonly rounds: number;
  /** Polled now and then; true ends the search with the best answer so far. */
  readonly isOver: () => boolean;
  /** Called at each poll, with the rounds since the last one and the lowest cost so far, in USD per hour. */
  readonly onPoll?: (rounds: number, cost: number) => void;
  /** Weight of one pod's move, in USD per hour. */
  readonly movePrice: number;
  /** The search ends at this cost: no answer is better, moves left aside. USD per hour. */
  readonly targetCost: number;
}

/** Differences in cost below this are rounding errors. USD per hour. */
export const EPSILON = 1e-9;

/** The objective that the search minimizes: the cost, plus the weight of the moves. */
export const objective = (packing: Packing, { movePrice }: Pick<Effort, 'movePrice'>): number =>
  packing.cost() + packing.original.moved * movePrice;

/** The worth of a pod where it is, per pod class: moving it costs too. */
export const worthInPlace = (
  { worth }: Pick<FillOptions, 'worth'>,
  { movePrice }: Pick<Effort, 'movePrice'>,
): Float64Array => worth.map((own) => own + movePrice);

/** The worth of the movable pods on a node per USD of its price; `worth` is per pod class. */
export const fullness = (packing: Packing, node: number, worth: Float64Array): number => {
  let held = 0;
  for (const [podClass, n] of packing.content[node] ?? outOfRange(node, packing.content.length))
    held += n * floatAt(worth, podClass);
  return held / Math.max(packing.price(node), 1e-6);
};
