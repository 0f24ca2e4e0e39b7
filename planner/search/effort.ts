import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';

/** How long and how hard to search. */
export interface Effort {
  readonly seed: number;
  /** Rounds of local search. */
  readonly rounds: number;
  /** Polled now and then; true ends the search with the best answer so far. */
  readonly isOver: () => boolean;
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
