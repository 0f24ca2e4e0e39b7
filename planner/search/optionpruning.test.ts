import fc from 'fast-check';
import t from 'tap';
import type { CompiledOption } from '../packing/compiledoption.ts';
import { OptionPruner } from './optionpruning.ts';

interface Node {
  readonly price: number;
  readonly room: readonly [number, number, number];
  /** The worth of its content, as a part of the worth of its room. */
  readonly part: number;
}

const PRICES = Float64Array.of(0.00003, 0.000004, 0.0001);

const optionOf = ({ price, room }: Node): CompiledOption =>
  ({ price, room: Float64Array.from(room) }) as Partial<CompiledOption> as CompiledOption;

/** The part of a packing that pruning needs. */
const packing = { priceOf: (option: CompiledOption) => option.price };

const node = fc.record({
  price: fc.double({ min: 0.01, max: 5, noNaN: true }),
  room: fc.tuple(
    fc.integer({ min: 500, max: 64_000 }),
    fc.integer({ min: 500, max: 256_000 }),
    fc.integer({ min: 1, max: 110 }),
  ),
  part: fc.double({ min: 0.2, max: 1, noNaN: true }),
});

t.test('an option that is skipped would not have been the best node', async () => {
  fc.assert(
    fc.property(
      fc.array(node, { minLength: 1, maxLength: 20 }),
      fc.double({ min: 0.1, max: 50, noNaN: true }),
      (nodes, total) => {
        const options = nodes.map(optionOf);
        const weighed = new Map(
          options.map((option, index) => {
            const { price, room, part } = nodes[index] as Node;
            const worth = room.reduce((sum, n, d) => sum + n * (PRICES[d] ?? 0), 0);
            return [option, { price, packed: Math.min(total, part * worth) }];
          }),
        );
        const best = (seen: readonly { price: number; packed: number }[], ratio: number): number =>
          Math.min(...seen.map(({ price, packed }) => price + Math.max(0, total - packed) * ratio));
        const ratioOf = (seen: readonly { price: number; packed: number }[]): number =>
          Math.min(...seen.map(({ price, packed }) => price / packed));
        const pruner = new OptionPruner(packing, options, PRICES);
        pruner.begin(total);
        const seen: { price: number; packed: number }[] = [];
        pruner.options.forEach((option, index) => {
          const found = weighed.get(option);
          if (!found || pruner.isDominated(index)) return;
          seen.push(found);
          pruner.record(found);
        });
        const all = [...weighed.values()];
        if (Math.abs(ratioOf(seen) - ratioOf(all)) > 1e-12) throw new Error('the best rate was skipped');
        if (best(seen, ratioOf(all)) > best(all, ratioOf(all)) + 1e-9) {
          throw new Error('the best node was skipped');
        }
      },
    ),
    { numRuns: process.env.SOAK ? 100_000 : 2000, seed: 3 },
  );
});
