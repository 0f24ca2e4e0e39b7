import { MOST_PERCENT, type MustGo, maxPricePercentOf } from '../../api/kinds/mustgo.ts';
import type { NodeCost, Savings } from '../../api/kinds/rebalanceplan.ts';
import { HOURS_PER_MONTH, KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { formatPrice } from '../../api/text/price.ts';
import { capacityTypeOf, typeOf } from '../model/standingmachine.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';

const MIB = 1024 * 1024;

/** A price per hour as text in USD per month. */
export const monthly = (price: number): string => (price * HOURS_PER_MONTH).toFixed(2);

/**
 * What is saved in percent of what it cost before, both in one unit; 0 where what comes costs more of it than any plan may
 * spend: what it cost before is then the price of reserved machines, of which no percentage tells.
 */
export const savedPercent = (before: number, after: number): number =>
  before > 0 && after <= (before * MOST_PERCENT) / 100 ? ((before - after) / before) * 100 : 0;

/** A node to remove, as plans list it; `price` is in USD per hour. */
export const blueNode = (node: Node, price: number, mustGo?: MustGo): NodeCost => ({
  name: node.metadata.name,
  instanceType: typeOf(node),
  isSpot: capacityTypeOf(node) === 'spot',
  milliCPU: amount('cpu', node.status?.capacity?.cpu ?? node.status?.allocatable?.cpu ?? '0'),
  memoryMiB: Math.floor(
    amount('memory', node.status?.capacity?.memory ?? node.status?.allocatable?.memory ?? '0') / MIB,
  ),
  priceHourly: formatPrice(price),
  ...(node.metadata.labels?.[KARPENTER_NODEPOOL] !== undefined && {
    nodePool: node.metadata.labels[KARPENTER_NODEPOOL],
  }),
  ...(mustGo && { maxPricePercent: maxPricePercentOf(mustGo) }),
});

/** A node to add, as plans list it; `price` is what it adds to the bill, in USD per hour. */
export const greenNode = (name: string, option: CompiledOption, price: number): NodeCost => ({
  name,
  instanceType: option.launchOption.type.name,
  isSpot: option.launchOption.offering.capacityType === 'spot',
  milliCPU: option.launchOption.type.capacity.cpu,
  memoryMiB: Math.floor(option.launchOption.type.capacity.memory / MIB),
  priceHourly: formatPrice(price),
});

/** How far a cost is above its lower bound, in percent; nothing above one that is told as 0, of which no percentage tells. */
const gapOf = ({ least, cost }: { readonly least: number; readonly cost: number }) => {
  if (Number(monthly(least)) > 0) return { gapPercent: Math.max(0, (cost / least - 1) * 100).toFixed(1) };
  return Number(monthly(cost)) > 0 ? {} : { gapPercent: '0.0' };
};

/** The savings of a plan, as its status lists them. */
export const savingsOf = (input: {
  readonly blue: readonly NodeCost[];
  readonly green: readonly NodeCost[];
  /** The bill of the whole cluster before the plan, in USD per hour. */
  readonly clusterBefore: number;
  /** The lower bound, and the cost of the plan's answer to the same question, in USD per hour. */
  readonly bound?: { readonly least: number; readonly cost: number };
}): Savings => {
  const sum = (nodes: readonly NodeCost[]): number =>
    nodes.reduce((total, node) => total + Number(node.priceHourly), 0);
  const before = sum(input.blue);
  const after = sum(input.green);
  const { bound } = input;
  return {
    projectedSavingsPercent: savedPercent(before * HOURS_PER_MONTH, after * HOURS_PER_MONTH).toFixed(1),
    projectedSavingsCostMonthly: monthly(before - after),
    currentMonthlyCost: monthly(before),
    projectedMonthlyCost: monthly(after),
    currentClusterMonthlyCost: monthly(input.clusterBefore),
    projectedClusterMonthlyCost: monthly(input.clusterBefore - before + after),
    ...(bound && {
      lowerBoundMonthlyCost: monthly(bound.least),
      ...gapOf(bound),
    }),
    blueNodes: [...input.blue],
    greenNodes: [...input.green],
  };
};
