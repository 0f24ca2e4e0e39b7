import type { NodeClaimToAdd, RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { randomFrom } from '../../planner/search/random.ts';
import type { Offerings } from '../cloud/offerings.ts';
import type { ExecutionState } from '../rebalanceplan/state/state.ts';
import * as make from './builders.ts';

/** A random plan in a random market, for the test that plans keep to their cost. */

const TYPES = ['m5.large', 'c5.large', 'r5.large', 'm5.xlarge', 'c5.2xlarge'];
const ZONES = ['a', 'b'];
const CAPACITY_TYPES = ['spot', 'on-demand'];
const OFFERS = TYPES.flatMap((type) =>
  ZONES.flatMap((zone) => CAPACITY_TYPES.map((capacityType) => `${type}/${zone}/${capacityType}`)),
);

export interface World {
  readonly random: () => number;
  readonly threshold: number;
  plan: RebalancePlan;
  prices: Record<string, number>;
  readonly nodeClaims: Map<string, NodeClaim>;
  readonly nodes: Map<string, Node>;
  readonly failures: Map<string, string>;
  readonly bluePlaces: ReadonlyMap<string, string>;
  /** Nodes to remove that were there at the savings check. */
  leaving: readonly string[];
  now: number;
}

export const pick = <T>(random: () => number, list: readonly T[]): T => {
  const one = list[Math.floor(random() * list.length)];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
};
const some = <T>(random: () => number, list: readonly T[]): T[] => {
  const chosen = list.filter(() => random() < 0.5);
  return chosen.length > 0 ? chosen : [pick(random, list)];
};

const market = (random: () => number): Record<string, number> =>
  Object.fromEntries(
    OFFERS.flatMap((key): [string, number][] =>
      random() < 0.1 ? [] : [[key, Number((0.05 + random() * 0.3).toFixed(3))]],
    ),
  );

const planned = (random: () => number, name: string): NodeClaimToAdd => ({
  ...make.toAdd(name),
  alternatives: Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
    requirements: [
      { key: 'node.kubernetes.io/instance-type', operator: 'In' as const, values: some(random, TYPES) },
      { key: 'karpenter.sh/capacity-type', operator: 'In' as const, values: some(random, CAPACITY_TYPES) },
      { key: 'topology.kubernetes.io/zone', operator: 'In' as const, values: some(random, ZONES) },
    ],
    priceHourly: '0.1',
  })),
});

const labelsOf = (place: string) => ({ 'karpenter.sh/nodepool': 'general', ...make.machineLabels(place) });

export const begin = (seed: number): World => {
  const random = randomFrom(seed);
  const blues = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, i) => `blue-${i}`);
  const greens = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, i) =>
    planned(random, `green-${i}`),
  );
  const bluePlaces = new Map(blues.map((name) => [name, pick(random, OFFERS)]));
  const threshold = random() < 0.5 ? 0 : Math.floor(random() * 40);
  // The numbers of a world without nodes that must go stay what they were.
  const ofMustGo = randomFrom(seed + 1_000_000);
  const limits = new Map(
    blues.flatMap((name): [string, number][] =>
      ofMustGo() < 0.25 ? [[name, 50 + Math.floor(ofMustGo() * 200)]] : [],
    ),
  );
  return {
    random,
    threshold,
    plan: make.plan({
      nodeClaimsToAdd: greens,
      nodeClaimsToDelete: blues.map((nodeClaimName) => {
        const maxPricePercent = limits.get(nodeClaimName);
        const mustGo = { reason: 'Expiry' as const, maxPricePercent };
        return {
          nodeClaimName,
          ...(maxPricePercent !== undefined && { mustGo: { ...mustGo, maxPricePercent } }),
        };
      }),
      ...(threshold > 0 && {
        executionPolicy: { achievedSavingsPercentageThreshold: String(threshold) },
      }),
    }),
    prices: market(random),
    nodeClaims: new Map(
      [...bluePlaces].map(([name, place]) => [name, make.nodeClaim(name, { labels: labelsOf(place) })]),
    ),
    nodes: new Map(
      [...bluePlaces].map(([name, place]) => [name, make.locked(name, { labels: labelsOf(place) })]),
    ),
    failures: new Map(),
    bluePlaces,
    leaving: [],
    now: make.NOW,
  };
};

export const stateOf = (world: World): ExecutionState => ({
  ...make.executionState(world.plan, {
    nodeClaims: new Map(world.nodeClaims),
    nodes: new Map(world.nodes),
    claimFailures: new Map(world.failures),
    offerings: make.offerings(world.prices),
  }),
  now: world.now,
});

export const priceOf = (offerings: Offerings, claim: NodeClaim): number => {
  const real = offerings.priceOf(claim.metadata.labels);
  const isLaunched = claim.metadata.labels?.['node.kubernetes.io/instance-type'] !== undefined;
  if (isLaunched) return real ?? Number.POSITIVE_INFINITY;
  const allowed = offerings.allowedBy(claim.spec.requirements, undefined);
  return Math.max(...allowed.map(({ offering }) => offering.price));
};

/** What may be spent in the place of a node, as a part of its price. */
export const limitOf = ({ plan }: World, name: string): number => {
  const { mustGo } = plan.spec.nodeClaimsToDelete?.find((each) => each.nodeClaimName === name) ?? {};
  return (mustGo?.maxPricePercent ?? 100) / 100;
};
