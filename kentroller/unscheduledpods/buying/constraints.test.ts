import t from 'tap';
import type { Policies } from '../../policies/settings.ts';
import { BUYING, UnscheduledWorld } from '../../testing/unscheduledworld.ts';

/** Node constraints in cycles: what they leave is bought, whatever it costs. */

/** The one node that is bought for two small pods: its type and its price in USD per hour. */
const boughtWith = async (
  bounds: NonNullable<NonNullable<Policies['unschedulablePods']>['nodeConstraints']> | undefined,
): Promise<{ readonly type: string; readonly price: number }> => {
  const world = new UnscheduledWorld();
  world.refuse(2);
  const { cycle } = world.process();
  const unschedulablePods = { ...(BUYING.unschedulablePods as object), nodeConstraints: bounds };
  const policies = { ...BUYING, unschedulablePods } as Policies;
  await cycle(policies);
  await cycle(policies);
  const green = world.plans().flatMap(({ status }) => status?.savings?.greenNodes ?? []);
  const [node, ...others] = green;
  if (!node || others.length > 0) throw new Error(`${green.length} nodes were bought`);
  return { type: node.instanceType ?? '', price: Number(node.priceHourly) };
};

t.test('seed 002: within node constraints larger nodes are bought ahead, though dearer', async (t) => {
  const free = await boughtWith(undefined);
  const bounds = { minCpuCores: 16, maxCpuCores: 32, minRamMib: 2_048, maxRamMib: 262_144 };
  const bound = await boughtWith(bounds);
  t.equal(bound.type, 'c5.4xlarge', 'the only type with 16 cores');
  t.not(free.type, bound.type);
  t.ok(bound.price > 2 * free.price, `${bound.price} and ${free.price} USD an hour`);
});
