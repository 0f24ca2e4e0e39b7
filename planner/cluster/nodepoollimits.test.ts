import fc from 'fast-check';
import t from 'tap';
import type { NodePool } from '../../api/objects.ts';
import type { InstanceType } from '../model/catalogue.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { limitsBesidePlan, RemainingLimits } from './nodepoollimits.ts';

const pool: NodePool = {
  metadata: { name: 'general' },
  spec: {
    template: {
      spec: {
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
        requirements: [],
      },
    },
  },
};

const typeOf = (name: string): InstanceType => {
  const found = smallCatalogue.instanceTypes.find((type) => type.name === name);
  if (!found) throw new Error(`no instance type ${name}`);
  return found;
};
const small = typeOf('m5.large');
const large = typeOf('m5.2xlarge');
const limitedTo = (
  limits: Readonly<Record<string, string>>,
  used: Readonly<Record<string, string>> = {},
) => ({
  ...pool,
  spec: { ...pool.spec, limits },
  status: { resources: used },
});

t.test('a node fits until the limits are used up', async (t) => {
  const limits = new RemainingLimits([limitedTo({ cpu: '10' }, { cpu: '7' })]);
  t.equal(limits.allows('general', small), true);
  t.equal(limits.allows('general', large), false);
  limits.count('general', small, 1);
  t.equal(limits.allows('general', small), false);
  t.equal(limits.areKept(), true);
});

t.test('a NodePool without limits allows every node', async (t) => {
  const limits = new RemainingLimits([pool]);
  t.equal(limits.isEmpty(), true);
  t.equal(limits.isLimited('general'), false);
  t.equal(limits.allows('general', large), true);
});

t.test('a NodePool beyond its limits stays so, and grows no more', async (t) => {
  const limits = new RemainingLimits([limitedTo({ nodes: '2' }, { nodes: '3' })]);
  t.equal(limits.areKept(), true);
  t.equal(limits.allows('general', small), false);
  limits.count('general', small, 1);
  t.equal(limits.areKept(), false);
});

t.test('why no node may be added names the limit and what is left of it', async (t) => {
  const limits = new RemainingLimits([limitedTo({ cpu: '10' }, { cpu: '7' })]);
  t.equal(limits.blocker('general', [small, large]), undefined);
  t.equal(
    limits.blocker('general', [large]),
    'NodePool general has a limit of 10 for cpu, and only 3 of it is left',
  );
  t.equal(limits.blocker('other', [large]), undefined);
});

t.test('a limit holds for any resource that a machine has, GPUs and nodes included', async (t) => {
  const gpu: InstanceType = { ...small, capacity: { ...small.capacity, other: { 'nvidia.com/gpu': 4 } } };
  const limits = new RemainingLimits([limitedTo({ 'nvidia.com/gpu': '6', nodes: '9' })]);
  t.equal(limits.allows('general', gpu), true);
  limits.countLargest('general', [small, gpu]);
  t.equal(limits.allows('general', gpu), false, 'the largest of the types counts');
  t.equal(limits.allows('general', small), true);
});

t.test('the usage that is given counts, not the status', async (t) => {
  const usage = new Map([['general', new Map([['cpu', 9000]])]]);
  const limits = new RemainingLimits([limitedTo({ cpu: '10' }, { cpu: '1' })], usage);
  t.equal(limits.allows('general', small), false);
});

t.test('a larger alternative is allowed as long as a plan leaves room for it', async (t) => {
  const limits = limitsBesidePlan([limitedTo({ cpu: '18' }, { cpu: '8' })], new Map(), [
    ['general', small],
    ['general', small],
  ]);
  // 18 - 8 - 2 × 2 for the new ones leaves 6, all of which one larger node needs.
  t.equal(limits.allowsAlternative('general', small, large), true);
  limits.reserveLargest('general', small, [small, large]);
  t.equal(limits.allowsAlternative('general', small, large), false);
  t.equal(limits.allowsAlternative('general', small, small), true, 'the planned type is counted already');
});

t.test('counting nodes in and out again changes nothing', async () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(small, large), { maxLength: 10 }), (types) => {
      const limits = new RemainingLimits([limitedTo({ cpu: '10', memory: '40Gi' })]);
      for (const type of types) limits.count('general', type, 1);
      for (const type of types.toReversed()) limits.count('general', type, -1);
      return limits.areKept() && limits.allows('general', large);
    }),
    { seed: 4 },
  );
});
