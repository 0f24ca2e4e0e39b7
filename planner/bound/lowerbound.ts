import { type Billed, mostRebate } from '../model/billing.ts';
import type { Packing } from '../packing/packing.ts';
import type { Problem } from '../packing/problem.ts';
import { ColumnGeneration } from './columngeneration.ts';
import { distinctNodeKinds, type NodeKind } from './pricingproblem.ts';
import { unitPrices } from './shadowprices.ts';

/** With more kinds of pods than this, the resource program's duals are used as they are: they are nearly as good. */
const MAX_PRICED_SHAPES = 60;
/** With this few, knapsacks are solved to the end. */
const FEW_SHAPES = 20;
const THOROUGH = [60, 600, 4000, 20_000];
const ROUNDS = 120;
const STEPS = 20_000;
const STEPS_LATE = 1000;

const isDominated = (a: NodeKind, b: NodeKind): boolean =>
  a.nodeClass === b.nodeClass &&
  b.price <= a.price &&
  b.podRisk <= a.podRisk &&
  a.room.every((room, d) => (b.room[d] ?? 0) >= room);

/** What a node costs: beyond every commitment, or while its commitment lasts. */
type PriceOf = (node: Billed) => number;
const listPrice: PriceOf = ({ price }) => price;
const lowestPrice: PriceOf = ({ price, covered }) => Math.min(price, covered?.price ?? price);

/** Standing candidates as something to buy at their price, however often: a node that stays costs what it costs. */
const candidateKinds = (problem: Problem, priceOf: PriceOf): NodeKind[] => {
  const width = problem.dimensions.length;
  const nodeKinds: NodeKind[] = [];
  problem.existingNodes.forEach((existing, node) => {
    if (!existing.isCandidate) return;
    const room = problem.existingFree.slice(node * width, (node + 1) * width);
    existing.view.pods.forEach((pod, index) => {
      const podClass = problem.existingPodClasses[node]?.[index] ?? -1;
      if (!existing.movable.has(pod)) return;
      for (let d = 0; d < width; d += 1)
        room[d] = (room[d] ?? 0) + (problem.sizes[podClass * width + d] ?? 0);
    });
    const nodeKind: NodeKind = {
      option: null,
      price: priceOf(existing.billed ?? existing),
      podRisk: existing.podRisk ?? 0,
      room,
      nodeClass: problem.existingNodeClass[node] ?? 0,
    };
    if (!nodeKinds.some((other) => isDominated(nodeKind, other))) nodeKinds.push(nodeKind);
  });
  return nodeKinds;
};

/** What nodes that stay whatever happens have left. */
const freeCapacityOf = (problem: Problem): Float64Array[] => {
  const width = problem.dimensions.length;
  return problem.existingNodes.flatMap((existing, node) => {
    if (existing.isCandidate || !existing.acceptsPods) return [];
    const free = problem.existingFree.slice(node * width, (node + 1) * width);
    return [free.map((room) => Math.max(0, room))];
  });
};

/**
 * What the demand costs at unit prices of the dimensions, divided so that no node's room is worth more than the node:
 * nearly as good as with the best content of each, in a fraction of the time.
 */
const roomBound = (
  problem: Problem,
  nodeKinds: readonly NodeKind[],
  demand: Int32Array,
  prices: Float64Array,
): number => {
  const roomWorth = (room: Float64Array): number => {
    let worth = 0;
    for (let d = 0; d < room.length; d += 1) worth += (prices[d] as number) * Math.max(0, room[d] as number);
    return worth;
  };
  let divisor = nodeKinds.some((nodeKind) => nodeKind.podRisk > 0) ? 1 : 0;
  for (const { price, room } of nodeKinds) {
    const worth = roomWorth(room);
    if (price > 0) divisor = Math.max(divisor, worth / price);
    else if (worth > 0) divisor = Number.POSITIVE_INFINITY;
  }
  if (divisor <= 0) return 0;
  const { sizes } = problem;
  let total = 0;
  demand.forEach((n, podClass) => {
    for (let d = 0; d < prices.length; d += 1) {
      total += n * (prices[d] as number) * (sizes[podClass * prices.length + d] as number);
    }
  });
  for (const gift of freeCapacityOf(problem)) total -= roomWorth(gift);
  return Math.max(0, (total / divisor) * (1 - 1e-9));
};

const boundAt = (
  packing: Packing,
  demand: Int32Array,
  isOver: () => boolean,
  priceOf: PriceOf,
  prices: Float64Array,
): number => {
  const { problem } = packing;
  const nodeKinds = [
    ...problem.options.map((option) => ({
      option,
      price: priceOf(option),
      podRisk: option.podRisk,
      room: option.room,
      nodeClass: option.nodeClass,
    })),
    ...candidateKinds(problem, priceOf),
  ];
  if (isOver()) return roomBound(problem, nodeKinds, demand, prices);
  const program = new ColumnGeneration(problem, distinctNodeKinds(problem, nodeKinds), demand, prices);
  if (program.podClasses.length === 0) return 0;
  const freeRooms = freeCapacityOf(problem);
  const plain = program.bound(program.resourceWorth, freeRooms, 1000);
  if (program.podClasses.length > MAX_PRICED_SHAPES || isOver()) return plain;
  const { duals } = program.solve(
    isOver,
    ROUNDS,
    program.podClasses.length <= FEW_SHAPES ? THOROUGH : undefined,
  );
  return Math.max(plain, program.bound(duals, freeRooms, isOver() ? STEPS_LATE : STEPS));
};

/**
 * What the pods in `demand` must cost at least, in USD per hour, whatever nodes are bought or kept. Pods' rules about
 * each other are left aside but for what one node may hold, so the bound holds with them too, if less tightly. With
 * commitments it is the better of two: as if they never ran out, and as if they were used up to the full.
 * `prices` are unit prices of the dimensions, such as those of the demand. Sources: Gilmore and Gomory 1961 for the program, Farley 1990 for the bound.
 */
export const lowerBound = (
  packing: Packing,
  demand: Int32Array,
  isOver: () => boolean,
  prices = unitPrices(packing.problem, demand),
): number => {
  const { problem } = packing;
  const unlimited = boundAt(packing, demand, isOver, lowestPrice, prices);
  if (problem.commitments.length === 0) return unlimited;
  const nodes = [...problem.allOptions, ...problem.existingNodes.flatMap((each) => each.billed ?? [])];
  const rebate = mostRebate(problem.commitments, nodes);
  return Math.max(unlimited, boundAt(packing, demand, isOver, listPrice, prices) - rebate);
};
