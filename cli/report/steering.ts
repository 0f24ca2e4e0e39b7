import type { Cluster } from '../../planner/cluster/clusterview.ts';
import { listed } from './listed.ts';

const MOST_NAMED = 5;

/** NodeOverlays that change prices, each with the number of instance types. */
const pricingOverlays = ({ snapshot, supply }: Cluster): readonly (readonly [string, number])[] =>
  [...supply.prices.changedTypes(snapshot.nodePools)]
    .map(([name, types]) => [name, types.size] as const)
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)));

/** What the prices are, with the NodeOverlays that change them. */
export const pricesWithOverlays = (summary: string, cluster: Cluster): string => {
  const names = pricingOverlays(cluster).map(([name]) => name);
  if (names.length === 0) return summary;
  const isOne = names.length === 1;
  return `${summary}, as NodeOverlay${isOne ? '' : 's'} ${listed(names, MOST_NAMED)} change${isOne ? 's' : ''} them`;
};

/** Prices that steer Karpenter, and are not what the cloud bills. */
export const steeringPrices = (cluster: Cluster): readonly string[] =>
  pricingOverlays(cluster).map(([name, types]) => {
    const what = types === 1 ? 'price of 1 instance type' : `prices of ${types} instance types`;
    return `NodeOverlay ${name} sets the ${what}, and sums count as Karpenter does, so the bill may differ: to count by the cloud's prices, leave the NodeOverlay out of a snapshot.`;
  });
