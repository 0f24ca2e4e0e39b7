import fc from 'fast-check';
import t from 'tap';
import type { Catalogue } from '../model/catalogue.ts';
import { parsePriceOverlay, withPriceOverlay } from '../model/discounts.ts';
import { type InterruptionPolicy, podRiskOf } from '../model/interruption.ts';
import { provision } from '../provision.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';

interface Size {
  readonly cpu: number;
  readonly memory: number;
}

const MIB = 1024 * 1024;

/** The least cost of nodes for these pods, by trying every partition of them. */
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
    { numRuns: process.env.SOAK ? 3000 : 150, seed: 7 },
  );
  t.ok(optimal / runs > 0.95, `${optimal} of ${runs} plans cost the least possible`);
});

/** A kind of node to buy: its room, its price and the risk that each pod adds. */
interface Strategy {
  readonly type: string;
  readonly cpu: number;
  readonly memory: number;
  readonly price: number;
  readonly podRisk: number;
  readonly isSpot: boolean;
}

const strategiesOf = (catalogue: Catalogue, interruption: InterruptionPolicy): Strategy[] =>
  catalogue.instanceTypes.flatMap((type) =>
    (['on-demand', 'spot'] as const).map((capacityType) => ({
      type: type.name,
      cpu: type.capacity.cpu - type.overhead.cpu,
      memory: (type.capacity.memory - type.overhead.memory) / MIB,
      price: Math.min(
        ...type.offerings
          .filter((each) => each.capacityType === capacityType && each.available)
          .map((each) => each.price),
      ),
      podRisk: podRiskOf(type.name, capacityType, interruption),
      isSpot: capacityType === 'spot',
    })),
  );

/** The least cost of pods with an existing node, spot and its risk, and a number of reserved machines. */
const tryEverything = (
  pods: readonly Size[],
  room: Size,
  strategies: readonly Strategy[],
  reserved: { readonly type: string; readonly part: number; readonly instances: number },
): number => {
  const sumOf = (members: readonly Size[], of: keyof Size): number =>
    members.reduce((sum, each) => sum + each[of], 0);
  const fits = (members: readonly Size[], space: Size): boolean =>
    sumOf(members, 'cpu') <= space.cpu && sumOf(members, 'memory') <= space.memory;
  let least = Number.POSITIVE_INFINITY;
  const choose = (bins: readonly (readonly Size[])[], cost: number, covered: number): void => {
    const [members, ...rest] = bins;
    if (!members) {
      least = Math.min(least, cost);
      return;
    }
    for (const strategy of strategies) {
      if (!fits(members, strategy)) continue;
      const isCovered = !strategy.isSpot && strategy.type === reserved.type && covered < reserved.instances;
      const price = isCovered ? strategy.price * (1 - reserved.part) : strategy.price;
      choose(rest, cost + price + members.length * strategy.podRisk, covered + (isCovered ? 1 : 0));
    }
  };
  const visit = (index: number, existing: readonly Size[], bins: readonly (readonly Size[])[]): void => {
    const pod = pods[index];
    if (!pod) {
      choose(bins, 0, 0);
      return;
    }
    if (fits([...existing, pod], room)) visit(index + 1, [...existing, pod], bins);
    bins.forEach((members, at) => {
      visit(index + 1, existing, bins.toSpliced(at, 1, [...members, pod]));
    });
    visit(index + 1, existing, [...bins, [pod]]);
  };
  visit(0, [], []);
  return least;
};

t.test('the bound holds with an existing node, with spot and its risk, and with reservations', async () => {
  const pool = makePool('default', {
    requirements: [{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand', 'spot'] }],
  });
  const selectedValues = fc.record({
    sizes: fc.array(size, { minLength: 1, maxLength: 4 }),
    room: fc.record({ cpu: fc.integer({ min: 0, max: 39 }), memory: fc.integer({ min: 0, max: 75 }) }),
    costPerPod: fc.constantFrom(0, 0.5, 20, 400),
    type: fc.constantFrom('m5.large', 'm5.xlarge', 'c5.xlarge', 'r5.xlarge'),
    percent: fc.constantFrom(30, 80, 100),
    instances: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(selectedValues, ({ sizes, room, costPerPod, type, percent, instances }) => {
      const interruption = { costPerPod };
      const space = { cpu: room.cpu * 100, memory: room.memory * 200 };
      const overlay = parsePriceOverlay({ discounts: [{ instanceType: type, percent, instances }] });
      const { plan, unplaced } = provision({
        // The existing node is of a type that nobody sells, so that it says nothing about those to buy.
        snapshot: makeSnapshot(
          [makeNode('a', { ...space, type: 'x1.odd' })],
          sizes.map((each, n) => makePod(`p-${n}`, each)),
          { nodePools: [pool] },
        ),
        catalogue: withPriceOverlay(smallCatalogue, overlay),
        now: 0,
        seed: 1,
        planName: 'p',
        rounds: 20,
        interruption,
      });
      if (!plan || unplaced.length > 0) throw new Error('every pod has a type that holds it');
      const strategies = strategiesOf(smallCatalogue, interruption);
      const least = tryEverything(sizes, space, strategies, { type, part: percent / 100, instances }) * 730;
      const bound = Number(plan.savings.lowerBoundMonthlyCost);
      if (bound > least + 0.01) throw new Error(`bound ${bound} is above the least cost ${least}`);
    }),
    { numRuns: process.env.SOAK ? 1500 : 60, seed: 11 },
  );
});
