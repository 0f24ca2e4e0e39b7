import fc from 'fast-check';
import t from 'tap';
import type { NodePool } from '../../api/objects.ts';
import type { InstanceType } from '../model/catalogue.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { capacityOf, limitBlocker, limitsAfterPlan, RemainingLimits } from './nodepoollimits.ts';

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

t.test('a plan may not add nodes beyond the limits, those that exist counted', async (t) => {
  const node = {
    name: 'n',
    instanceType: 'm5.large',
    isSpot: false,
    milliCPU: 2000,
    memoryMiB: 8192,
    priceHourly: '0.1',
  };
  const limited = {
    ...pool,
    spec: { ...pool.spec, limits: { cpu: '10' } },
    status: { resources: { cpu: '7' } },
  };
  t.equal(limitBlocker(limited, [node]), undefined);
  t.match(limitBlocker(limited, [node, node]), /limit of 10 for cpu: 7 are there, and the plan adds 4/);
  t.equal(limitBlocker(pool, [node]), undefined);
});

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
  limits.count('general', capacityOf(small), 1);
  t.equal(limits.allows('general', small), false);
  t.equal(limits.areWithin(), true);
});

t.test('a NodePool without limits allows every node', async (t) => {
  const limits = new RemainingLimits([pool]);
  t.equal(limits.isEmpty(), true);
  t.equal(limits.isLimited('general'), false);
  t.equal(limits.allows('general', large), true);
});

t.test('nodes beyond the limits may stay or return, but no more may come', async (t) => {
  const limits = new RemainingLimits([limitedTo({ nodes: '2' }, { nodes: '3' })]);
  t.equal(limits.areWithin(), true);
  t.equal(limits.allowsReturn('general', capacityOf(small)), false);
  limits.count('general', capacityOf(small), -1);
  t.equal(limits.allowsReturn('general', capacityOf(small)), true);
  t.equal(limits.allows('general', small), false);
  limits.count('general', capacityOf(small), 1);
  limits.count('general', capacityOf(small), 1);
  t.equal(limits.areWithin(), false);
});

t.test('a larger alternative is allowed as long as a plan leaves room for it', async (t) => {
  const view = { labels: { 'karpenter.sh/nodepool': 'general' } };
  const removed = { view, capacity: capacityOf(large) };
  const limits = limitsAfterPlan(
    [limitedTo({ cpu: '10' }, { cpu: '8' })],
    [
      ['general', small],
      ['general', small],
    ],
    [removed],
  );
  // 10 - 8 + 8 for the removed node - 2 × 2 for the new ones leaves 6, all of which one larger node needs.
  t.equal(limits.allowsAlternative('general', small, large), true);
  limits.reserveLargest('general', small, [small, large]);
  t.equal(limits.allowsAlternative('general', small, large), false);
  t.equal(limits.allowsAlternative('general', small, small), true, 'the planned type is counted already');
});

t.test('counting nodes in and out again changes nothing', async () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(small, large), { maxLength: 10 }), (types) => {
      const limits = new RemainingLimits([limitedTo({ cpu: '10', memory: '40Gi' })]);
      for (const type of types) limits.count('general', capacityOf(type), 1);
      for (const type of types.toReversed()) limits.count('general', capacityOf(type), -1);
      return limits.areWithin() && limits.allows('general', large);
    }),
    { seed: 4 },
  );
});
