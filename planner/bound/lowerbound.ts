import { type Billed, maxRebate } from '../model/billing.ts';
import { type CompiledOption, prune } from '../packing/compiledoption.ts';
import { floatAt, intAt, itemAt } from '../packing/matrix.ts';
import type { Problem } from '../packing/problem.ts';
import { ColumnGeneration } from './columngeneration.ts';
import { distinctNodeKinds, type NodeKind } from './pricingproblem.ts';
import { unitPrices } from './shadowprices.ts';

/** With more pod classes than this, the unit prices serve as duals: they are nearly as good. */
const MAX_PRICED_CLASSES = 60;
/** With this few pod classes, knapsacks are solved to the end. */
const FEW_CLASSES = 20;
const THOROUGH = [60, 600, 4000, 20_000];
const ROUNDS = 120;
/** Search steps per knapsack of the bound: the usual number, and the one after the time budget has run out. */
const STEPS = 20_000;
const STEPS_LATE = 1000;

const isDominated = (nodeKind: NodeKind, by: NodeKind): boolean =>
  nodeKind.nodeClass === by.nodeClass &&
  by.price <= nodeKind.price &&
  by.podRisk <= nodeKind.podRisk &&
  nodeKind.room.every((room, d) => floatAt(by.room, d) >= room);

/** The price of a node in USD per hour: beyond every commitment, or while a commitment covers it. */
type PriceOf = (node: Billed) => number;
const listPrice: PriceOf = ({ price }) => price;
const lowestPrice: PriceOf = ({ price, covered }) => Math.min(price, covered?.price ?? price);

/** The options as they are billed: those that minValues priced at the most a claim may come to are billed as the cheapest. */
const billedOptions = ({ options, allOptions }: Problem): readonly CompiledOption[] =>
  options.some(({ most }) => most !== undefined) ? prune(allOptions) : options;

/** Existing candidates as node kinds at their price and premium, empty of the pods that may move. */
const candidateKinds = (problem: Problem, priceOf: PriceOf): NodeKind[] => {
  const width = problem.dimensions.length;
  const nodeKinds: NodeKind[] = [];
  problem.existingNodes.forEach((existing, node) => {
    if (!existing.isCandidate) return;
    const room = problem.existingFree.row(node).slice();
    const podClasses = itemAt(problem.existingPodClasses, node);
    existing.view.pods.forEach((pod, index) => {
      if (!existing.movable.has(pod)) return;
      const podClass = intAt(podClasses, index);
      for (let d = 0; d < width; d += 1) room[d] = floatAt(room, d) + problem.sizes.at(podClass, d);
    });
    const nodeKind: NodeKind = {
      option: undefined,
      price: priceOf(existing.billed ?? existing) + (existing.premium ?? 0),
      podRisk: existing.podRisk ?? 0,
      room,
      nodeClass: intAt(problem.existingNodeClass, node),
    };
    if (!nodeKinds.some((other) => isDominated(nodeKind, other))) nodeKinds.push(nodeKind);
  });
  return nodeKinds;
};

/** The room left on existing nodes that always stay, per node and dimension. */
const freeCapacity = ({ existingNodes, existingFree }: Problem): Float64Array[] =>
  existingNodes.flatMap(({ isCandidate, acceptsPods }, node) =>
    isCandidate || !acceptsPods ? [] : [existingFree.row(node).map((room) => Math.max(0, room))],
  );

/**
 * A bound from unit prices, divided so that no node's room is worth more than the node: nearly as good as with the
 * best filling of each node, in a fraction of the time.
 */
const roomBound = (
  problem: Problem,
  nodeKinds: readonly NodeKind[],
  demand: Int32Array,
  prices: Float64Array,
): number => {
  const roomWorth = (room: Float64Array): number => {
    let worth = 0;
    for (let d = 0; d < room.length; d += 1) worth += floatAt(prices, d) * Math.max(0, floatAt(room, d));
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
      total += n * floatAt(prices, d) * sizes.at(podClass, d);
    }
  });
  for (const room of freeCapacity(problem)) total -= roomWorth(room);
  return Math.max(0, (total / divisor) * (1 - 1e-9));
};

/** The bound if every node cost `priceOf`. */
const boundAt = (
  problem: Problem,
  demand: Int32Array,
  isOver: () => boolean,
  priceOf: PriceOf,
  prices: Float64Array,
): number => {
  const nodeKinds = [
    ...billedOptions(problem).map((option) => ({
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
  const freeRooms = freeCapacity(problem);
  const plain = program.bound(program.resourceWorth, freeRooms, 1000);
  if (program.podClasses.length > MAX_PRICED_CLASSES || isOver()) return plain;
  const { duals } = program.solve(
    isOver,
    ROUNDS,
    program.podClasses.length <= FEW_CLASSES ? THOROUGH : undefined,
  );
  return Math.max(plain, program.bound(duals, freeRooms, isOver() ? STEPS_LATE : STEPS));
};

/**
 * A lower bound on the cost of the pods in `demand` (per pod class), in USD per hour, at unit prices `prices` (Gilmore
 * and Gomory 1961, Farley 1990); of the rules between pods it counts only those within one node. With commitments it is
 * the better of two bounds: as if they never ran out, and as if they were used to the full.
 */
export const lowerBound = (
  problem: Problem,
  demand: Int32Array,
  isOver: () => boolean,
  prices = unitPrices(problem, demand),
): number => {
  const unlimited = boundAt(problem, demand, isOver, lowestPrice, prices);
  if (problem.commitments.length === 0) return unlimited;
  const nodes = [...problem.allOptions, ...problem.existingNodes.flatMap(({ billed }) => billed ?? [])];
  const rebate = maxRebate(problem.commitments, nodes);
  return Math.max(unlimited, boundAt(problem, demand, isOver, listPrice, prices) - rebate);
};
