import fc from 'fast-check';
import t from 'tap';
import type { Catalogue } from './catalogue.ts';
import { provision } from './provision.ts';
import { smallCatalogue } from './randomcluster.ts';
import { makePod, makePool, makeSnapshot } from './testcluster.ts';

interface Size {
  readonly cpu: number;
  readonly memory: number;
}

const MIB = 1024 * 1024;

/** The least that nodes for these pods can cost, by trying every partition of them. */
const bruteForce = (pods: readonly Size[], catalogue: Catalogue): number => {
  const kinds = catalogue.instanceTypes.map((type) => ({
    cpu: type.capacity.cpu - type.overhead.cpu,
    memory: (type.capacity.memory - type.overhead.memory) / MIB,
    price: Math.min(...type.offerings.filter((o) => o.capacityType === 'on-demand').map((o) => o.price)),
  }));
  const nodePrice = (members: readonly Size[]): number => {
    const cpu = members.reduce((sum, each) => sum + each.cpu, 0);
    const memory = members.reduce((sum, each) => sum + each.memory, 0);
    return Math.min(
      Number.POSITIVE_INFINITY,
      ...kinds.filter((kind) => kind.cpu >= cpu && kind.memory >= memory).map((kind) => kind.price),
    );
  };
  let least = Number.POSITIVE_INFINITY;
  const visit = (index: number, nodes: Size[][]): void => {
    const pod = pods[index];
    if (!pod) {
      least = Math.min(
        least,
        nodes.reduce((sum, members) => sum + nodePrice(members), 0),
      );
      return;
    }
    for (const members of nodes) {
      members.push(pod);
      visit(index + 1, nodes);
      members.pop();
    }
    visit(index + 1, [...nodes, [pod]]);
  };
  visit(0, []);
  return least;
};

const size = fc.record({
  cpu: fc.integer({ min: 1, max: 60 }).map((n) => n * 100),
  memory: fc.integer({ min: 1, max: 80 }).map((n) => n * 200),
});

t.test('the bound is never above the true least cost, nor the plan below it', async (t) => {
  let optimal = 0;
  let runs = 0;
  const pool = makePool('default', {
    requirements: [{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] }],
  });
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 7 }), (sizes) => {
      const pods = sizes.map((each, n) => makePod(`p-${n}`, each));
      const { plan, unplaced } = provision({
        snapshot: makeSnapshot([], pods, { nodePools: [pool] }),
        catalogue: smallCatalogue,
        now: 0,
        seed: 1,
        planName: 'p',
        rounds: 200,
      });
      if (!plan || unplaced.length > 0) throw new Error('every pod has a type that holds it');
      const least = bruteForce(sizes, smallCatalogue) * 730;
      const cost = Number(plan.savings.projectedMonthlyCost);
      const bound = Number(plan.savings.lowerBoundMonthlyCost);
      runs += 1;
      if (cost <= least + 0.01) optimal += 1;
      if (bound > least + 0.01) throw new Error(`bound ${bound} is above the least cost ${least}`);
      if (cost < least - 0.01) throw new Error(`plan ${cost} is below the least cost ${least}`);
    }),
    { numRuns: 150, seed: 7 },
  );
  t.ok(optimal / runs > 0.95, `${optimal} of ${runs} plans cost the least possible`);
});
