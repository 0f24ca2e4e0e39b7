import fc from 'fast-check';
import t from 'tap';
import { applyNodePoolWeights, type CompiledOption, prune } from './compiledoption.ts';
import { BitMatrix, floatAt, Matrix } from './matrix.ts';

const optionOf = (nodeClass: number, price: number, room: readonly number[], weight = 0): CompiledOption =>
  ({
    nodeClass,
    price,
    podRisk: 0,
    room: Float64Array.from(room),
    launchOption: { pool: { spec: { weight } }, offering: {} },
  }) as unknown as CompiledOption;

const options = fc.array(
  fc
    .tuple(fc.nat(1), fc.integer({ min: 1, max: 5 }), fc.nat(4), fc.nat(4))
    .map(([nodeClass, price, cpu, memory]) => optionOf(nodeClass, price, [cpu, memory])),
  { maxLength: 12 },
);

const isAsGood = (by: CompiledOption, option: CompiledOption): boolean =>
  by.nodeClass === option.nodeClass &&
  by.price <= option.price &&
  by.room.every((room, d) => room >= floatAt(option.room, d));

t.test(
  'pruning keeps something as good as every option, and nothing that a cheaper one dominates',
  async () => {
    fc.assert(
      fc.property(options, (all) => {
        const kept = prune(all);
        for (const option of all) {
          if (!kept.some((by) => isAsGood(by, option))) throw new Error('nothing is as good as an option');
        }
        for (const option of kept) {
          if (kept.some((by) => by.price < option.price && isAsGood(by, option)))
            throw new Error('a cheaper one is as good');
        }
      }),
      { numRuns: 1000, seed: 1 },
    );
  },
);

t.test('a pod class may use only the heaviest NodePool that can hold it', async (t) => {
  const sizes = new Matrix(2, 1);
  sizes.set(0, 0, 1);
  sizes.set(1, 0, 5);
  const allowed = new BitMatrix(2, 2);
  for (const nodeClass of [0, 1]) for (const podClass of [0, 1]) allowed.set(nodeClass, podClass, true);
  applyNodePoolWeights(allowed, [optionOf(0, 1, [2], 10), optionOf(1, 1, [9], 1)], sizes);
  t.same([allowed.has(0, 0), allowed.has(1, 0)], [true, false], 'both hold the small pod');
  t.same([allowed.has(0, 1), allowed.has(1, 1)], [true, true], 'only the lighter one holds the large pod');
});
