import type { CreationAttempt, NodeClaimToAdd, NodeCost, Savings } from '../../../api/kinds/rebalanceplan.ts';
import {
  HOURS_PER_MONTH,
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  ZONE,
} from '../../../api/labels.ts';
import { formatPrice } from '../../../api/text/price.ts';
import { blueNode, savedPercent } from '../../../planner/plan/savings.ts';
import type { Offerings } from '../../cloud/offerings.ts';
import { blockedNodes, sentenceOf } from '../drain/blockers.ts';
import type { NodesState } from '../drain/destinations.ts';
import type { ExecutionState } from '../state/state.ts';
import { attemptsOf } from '../state/status.ts';
import { type Decision, steps } from '../state/step.ts';
import { awaitPrices } from './ordersteps.ts';
import { comingPrices, costFault, isBoundByPrice, leavingPrices, thresholdOf } from './plancost.ts';

type CostState = NodesState & Pick<ExecutionState, 'offerings'>;

const NO_SAVINGS: Savings = {
  projectedSavingsPercent: '0',
  projectedSavingsCostMonthly: '0',
  currentMonthlyCost: '0',
  projectedMonthlyCost: '0',
};

const toMoney = (value: number): string => value.toFixed(2);

/** The nodes that go, at their prices now; one without a price counts as planned, one that may not go is left out. */
const blueNodesNow = (state: CostState, offerings: Offerings): readonly NodeCost[] => {
  const { plan, nodes } = state;
  const blocked = blockedNodes(state);
  const planned = new Map((plan.status?.savings?.blueNodes ?? []).map((blue) => [blue.name, blue]));
  return (plan.spec.nodeClaimsToDelete ?? []).flatMap(({ nodeClaimName, mustGo }): NodeCost[] => {
    const node = nodes.get(nodeClaimName);
    if (!node || blocked.has(node.metadata.name)) return [];
    const labels = node.metadata.labels ?? {};
    const before = planned.get(node.metadata.name);
    const price = offerings.priceOf(labels) ?? (before && Number(before.priceHourly));
    if (price === undefined) return before ? [before] : [];
    return [
      {
        ...blueNode(node, price, mustGo),
        instanceType: labels[INSTANCE_TYPE] ?? before?.instanceType ?? '',
        ...(labels[ZONE] !== undefined && { zone: labels[ZONE] }),
        ...(labels[KARPENTER_CAPACITY_TYPE] !== undefined && {
          capacityType: labels[KARPENTER_CAPACITY_TYPE],
        }),
      },
    ];
  });
};

/** The planned price of an added node where a fallback was used, as a conservative estimate; else its price now. */
const greenPrice = (
  green: NodeCost | undefined,
  claim: NodeClaimToAdd,
  attempts: readonly CreationAttempt[],
  offerings: Offerings,
): number => {
  const used = attempts.at(-1);
  const planned = Number(green?.priceHourly ?? claim.alternatives?.[0]?.priceHourly ?? 0);
  const isAsPlanned =
    attempts.length === 1 && used?.instanceType === (green?.instanceType ?? used?.instanceType);
  const actual =
    used && isAsPlanned
      ? offerings.price(
          used.instanceType,
          used.zone ?? '',
          used.capacityType ?? '',
          claim.metadata.labels?.[KARPENTER_NODEPOOL],
        )
      : undefined;
  return actual ?? planned;
};

/**
 * Savings of the plan with the nodes that it got, for its status; undefined for a plan that is not about savings. The
 * planned price counts for a node that needed more than one attempt; `costFault` judges by the real one.
 */
export const validatedSavings = (state: CostState, offerings: Offerings): Savings | undefined => {
  const { plan } = state;
  const projected = plan.status?.savings ?? (isBoundByPrice(plan) ? NO_SAVINGS : undefined);
  if (!projected) return undefined;
  const planned = new Map((projected.greenNodes ?? []).map((g) => [g.name, g]));
  const greenNodes = (plan.spec.nodeClaimsToAdd ?? []).map((claim): NodeCost => {
    const attempts = attemptsOf(plan, claim.metadata.name);
    const used = attempts.at(-1);
    const green = planned.get(claim.metadata.name);
    const type = offerings.type(used?.instanceType ?? '');
    return {
      name: claim.metadata.name,
      instanceType: used?.instanceType ?? green?.instanceType ?? '',
      isSpot: used?.capacityType === 'spot',
      milliCPU: type?.capacity.cpu ?? green?.milliCPU ?? 0,
      memoryMiB: type ? Math.floor(type.capacity.memory / 2 ** 20) : (green?.memoryMiB ?? 0),
      priceHourly: formatPrice(greenPrice(green, claim, attempts, offerings)),
      ...(used?.zone && { zone: used.zone }),
      ...(used?.capacityType && { capacityType: used.capacityType }),
    };
  });
  const blueNodes = blueNodesNow(state, offerings);
  const sum = (list: readonly NodeCost[]): number =>
    list.reduce((total, each) => total + Number(each.priceHourly), 0) * HOURS_PER_MONTH;
  const after = sum(greenNodes);
  const isKnown = blueNodes.length > 0 || blockedNodes(state).size > 0;
  const before = isKnown ? sum(blueNodes) : Number(projected.currentMonthlyCost);
  const saved = before - after;
  const { currentClusterMonthlyCost: cluster, ...rest } = projected;
  return {
    ...rest,
    ...(isKnown && { blueNodes: [...blueNodes] }),
    greenNodes,
    currentMonthlyCost: toMoney(before),
    projectedMonthlyCost: toMoney(after),
    projectedSavingsCostMonthly: toMoney(saved),
    projectedSavingsPercent: savedPercent(before, after).toFixed(1),
    ...(cluster !== undefined && {
      currentClusterMonthlyCost: cluster,
      projectedClusterMonthlyCost: toMoney(Number(cluster) - saved),
    }),
  };
};

const SOON_MS = 2_000;

/** Rolls a plan back that is not worth it at the prices of now; undefined when it is, or when prices do not bind it. */
const refuse = (state: CostState, offerings: Offerings): Decision | undefined => {
  if (!isBoundByPrice(state.plan)) return undefined;
  const blocked = blockedNodes(state);
  const leaving = leavingPrices(state, offerings);
  const fault = costFault(leaving, comingPrices(state, offerings), thresholdOf(state.plan));
  if (!fault) return undefined;
  const staying = [...blocked].map(([name, reasons]) => ` Node ${name} may not go: ${sentenceOf(reasons)}.`);
  return steps({
    kind: 'fail',
    phase: 'Creation',
    failureReason: 'FailureReasonInsufficientSavings',
    reason: 'FailureReasonInsufficientSavings',
    message: `${fault}${staying.slice(0, 3).join('')}`,
  });
};

/** The savings check, once the added nodes are ready and before a node is removed. It waits until prices are known. */
export const decideSavings = (state: CostState): Decision => {
  const { offerings, plan } = state;
  if (!offerings) {
    if (isBoundByPrice(plan)) return { steps: [awaitPrices('SavingsValidated')], againAfterMs: SOON_MS };
    return steps({
      kind: 'advance',
      phase: 'SavingsValidated',
      reason: 'SavingsValidated',
      message: 'Prices are not known, and the plan does not depend on them',
    });
  }
  const refused = refuse(state, offerings);
  if (refused) return refused;
  const validated = validatedSavings(state, offerings);
  return steps({
    kind: 'advance',
    phase: 'SavingsValidated',
    ...(validated && { validated }),
    reason: 'SavingsValidated',
    message:
      validated === undefined
        ? 'The plan projects no savings'
        : `The new nodes save ${validated.projectedSavingsPercent} %`,
  });
};

/** The same check again while nothing has moved: prices may change, and nodes be blocked, while the plan waits. */
export const recheckSavings = ({ offerings, ...state }: CostState): Decision | undefined =>
  offerings && refuse({ ...state, offerings }, offerings);
