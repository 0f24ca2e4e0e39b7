import type { NodeCost, Savings } from '../../../api/kinds/rebalanceplan.ts';
import { HOURS_PER_MONTH } from '../../../api/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import { attemptsOf } from '../state/status.ts';
import { alternativesOf } from './alternatives.ts';

const toMoney = (value: number): string => value.toFixed(2);

/**
 * Savings of the plan with the nodes that it got; undefined when the plan has none to check. The planned price counts
 * for a node that needed more than one attempt, and where the cloud has no price.
 */
export const validatedSavings = ({
  plan,
  priceOf,
}: Pick<ExecutionState, 'plan' | 'priceOf'>): Savings | undefined => {
  const projected = plan.status?.savings;
  if (!projected) return undefined;
  const planned = new Map((projected.greenNodes ?? []).map((g) => [g.name, g]));
  const greenNodes = (plan.spec.nodeClaimsToAdd ?? []).map((claim): NodeCost => {
    const attempts = attemptsOf(plan, claim.metadata.name);
    const used = attempts.at(-1);
    const green = planned.get(claim.metadata.name);
    const plannedPrice = Number(green?.priceHourly ?? alternativesOf(claim)[0]?.priceHourly ?? 0);
    const actual =
      attempts.length === 1 && used && used.instanceType === (green?.instanceType ?? used.instanceType)
        ? priceOf(used.instanceType, used.zone ?? '', used.capacityType ?? '')
        : undefined;
    return {
      name: claim.metadata.name,
      instanceType: used?.instanceType ?? green?.instanceType ?? '',
      isSpot: used?.capacityType === 'spot',
      milliCPU: green?.milliCPU ?? 0,
      memoryMiB: green?.memoryMiB ?? 0,
      priceHourly: String(actual ?? plannedPrice),
    };
  });
  const after = greenNodes.reduce((sum, g) => sum + Number(g.priceHourly), 0) * HOURS_PER_MONTH;
  const before = Number(projected.currentMonthlyCost);
  const saved = before - after;
  const { currentClusterMonthlyCost: cluster, ...rest } = projected;
  return {
    ...rest,
    greenNodes,
    projectedMonthlyCost: toMoney(after),
    projectedSavingsCostMonthly: toMoney(saved),
    projectedSavingsPercent: (before > 0 ? (saved / before) * 100 : 0).toFixed(1),
    ...(cluster !== undefined && {
      currentClusterMonthlyCost: cluster,
      projectedClusterMonthlyCost: toMoney(Number(cluster) - saved),
    }),
  };
};
