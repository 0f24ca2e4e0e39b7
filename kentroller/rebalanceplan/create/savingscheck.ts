import type { NodeCost, Savings } from '../../../api/kinds/rebalanceplan.ts';
import { HOURS_PER_MONTH } from '../../../api/labels.ts';
import type { World } from '../state/state.ts';
import { attemptsOf } from '../state/status.ts';
import { alternativesOf } from './alternatives.ts';

const money = (value: number): string => value.toFixed(2);

/**
 * What the plan saves with the machines that it got. Where a fallback type was used, the planned price counts as a
 * conservative estimate, as it does where the cloud tells no price. Undefined while the plan has no savings at all.
 */
export const validate = (world: World): Savings | undefined => {
  const projected = world.plan.status?.savings;
  if (!projected) return undefined;
  const planned = new Map((projected.greenNodes ?? []).map((g) => [g.name, g]));
  const greenNodes = (world.plan.spec.nodeClaimsToAdd ?? []).map((claim): NodeCost => {
    const attempts = attemptsOf(world.plan, claim.metadata.name);
    const used = attempts.at(-1);
    const green = planned.get(claim.metadata.name);
    const plannedPrice = Number(green?.priceHourly ?? alternativesOf(claim)[0]?.priceHourly ?? 0);
    const actual =
      attempts.length === 1 && used && used.instanceType === (green?.instanceType ?? used.instanceType)
        ? world.priceOf(used.instanceType, used.zone ?? '', used.capacityType ?? '')
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
    projectedMonthlyCost: money(after),
    projectedSavingsCostMonthly: money(saved),
    projectedSavingsPercent: (before > 0 ? (saved / before) * 100 : 0).toFixed(1),
    ...(cluster === undefined
      ? {}
      : { currentClusterMonthlyCost: cluster, projectedClusterMonthlyCost: money(Number(cluster) - saved) }),
  };
};
