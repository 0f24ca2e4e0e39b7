import type { CompiledOption } from '../packing/compiledoption.ts';

/** What an attempt to place pods uses: worth per shape, and nodes that may be opened. */
export interface FillOptions {
  /** What a unit of each dimension costs, in USD per hour. */
  readonly prices: Float64Array;
  readonly worth: Float64Array;
  /** Shapes, the most worth first. */
  readonly order: Int32Array;
  readonly options: readonly CompiledOption[];
  /** Closed standing nodes that may be opened again at their price. */
  readonly reopen?: readonly number[];
  /** At most this many nodes may be bought. */
  readonly maxNodes?: number;
}

/** Shapes, the most worth first; equal worth in order of number, so that the result is always the same. */
export const orderByWorth = (worth: Float64Array): Int32Array =>
  Int32Array.from([...worth.keys()].sort((a, b) => (worth[b] ?? 0) - (worth[a] ?? 0) || a - b));
