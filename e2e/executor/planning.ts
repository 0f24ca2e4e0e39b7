import type { NodeClaimToAdd, PodToMigrate, RebalancePlan, Savings } from '../../api/kinds/rebalanceplan.ts';
import * as labels from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type { Node, NodeClaim, Pod, Requirement } from '../../api/objects.ts';
import { controllerOf, isDrainable, isReschedulable } from '../../api/pods.ts';
import { NODE_CLAIMS, NODE_POOLS, REBALANCE_PLANS } from '../../api/resources.ts';
import { typed } from '../../kube/testing/memory/api.ts';
import { claimName } from '../../planner/plan/planspec.ts';
import { cpuOf, machineOf, ZONES } from './cluster/catalogue.ts';
import { cpuRequested, POOL } from './cluster/cluster.ts';
import type { World } from './world.ts';

/** How a plan is made; numbers choose among what there is. */
export interface PlanOrder {
  readonly name: string;
  readonly pick: number;
  /** Number of nodes that the plan removes, as far as there are so many. */
  readonly count: number;
  /** True for one that moves pods to a kept node where there is room. */
  readonly isOntoKept: boolean;
  readonly execute: boolean;
  /** True for one whose second alternative is the next larger type. */
  readonly hasLargeAlternative: boolean;
}

interface Candidate {
  readonly claim: NodeClaim;
  readonly node: Node;
  readonly pods: readonly Pod[];
}

const TYPES = ['m5.large', 'm5.xlarge', 'm5.2xlarge'] as const;

/** What a planner may replace: ready nodes whose pods may all be evicted. Locks of plans do not count. */
const candidatesOf = ({ api, cluster, model }: World): readonly Candidate[] =>
  api.list(NODE_CLAIMS).flatMap((claim): Candidate[] => {
    const node = cluster.nodeOfClaim(claim);
    if (!node || claim.metadata.deletionTimestamp || node.metadata.deletionTimestamp || !isReady(node))
      return [];
    if (node.metadata.labels?.[labels.KARPENTER_INITIALIZED] !== 'true') return [];
    const marks = model.marksOf(node);
    if (marks.has('do-not-disrupt') || marks.has('removal-disabled')) return [];
    const pods = cluster.podsOn(node.metadata.name);
    const isBlocked = pods.some((pod) => model.protectedPods.has(pod.metadata.uid ?? ''));
    return isBlocked ? [] : [{ claim, node, pods: pods.filter(isReschedulable) }];
  });

const priceOf = ({ cluster }: World, claim: NodeClaim): number => {
  const { instanceType, zone, capacityType } = machineOf(claim);
  return cluster.market.priceOf(instanceType, zone, capacityType) ?? 0;
};

const requirementsOf = (instanceType: string, zones: readonly string[]): Requirement[] => [
  { key: labels.INSTANCE_TYPE, operator: 'In', values: [instanceType] },
  { key: labels.ZONE, operator: 'In', values: [...zones] },
  { key: labels.KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['on-demand'] },
];

const toAdd = (world: World, name: string, type: number, isLarge: boolean): NodeClaimToAdd => {
  const pool = world.api.get(NODE_POOLS, { name: POOL });
  const offers = [
    { instanceType: TYPES[type] ?? '', zones: [ZONES[0]] },
    { instanceType: TYPES[type] ?? '', zones: [ZONES[1]] },
    ...(isLarge && TYPES[type + 1] ? [{ instanceType: TYPES[type + 1] ?? '', zones: [...ZONES] }] : []),
  ];
  return {
    metadata: { name, labels: { [labels.KARPENTER_NODEPOOL]: POOL } },
    spec: { nodeClassRef: pool.spec.template.spec.nodeClassRef, requirements: [] },
    alternatives: offers.map(({ instanceType, zones }) => ({
      requirements: requirementsOf(instanceType, zones) as NodeClaimToAdd['spec']['requirements'],
      priceHourly: String(world.cluster.market.priceOf(instanceType, zones[0] ?? '', 'on-demand') ?? 0),
    })),
  };
};

const moveOf = (pod: Pod, dstNodeClaimName: string): PodToMigrate => {
  const owner = controllerOf(pod);
  return {
    name: pod.metadata.name,
    namespace: pod.metadata.namespace ?? '',
    srcNode: pod.spec.nodeName ?? '',
    dstNodeClaimName,
    ...(owner && { owner: { kind: owner.kind, name: owner.name, uid: owner.uid } }),
  };
};

const savingsOf = (before: number, added: NodeClaimToAdd | undefined): Savings => {
  const price = Number(added?.alternatives?.[0]?.priceHourly ?? 0);
  const [was, is] = [before * labels.HOURS_PER_MONTH, price * labels.HOURS_PER_MONTH];
  const instanceType = String(added?.alternatives?.[0]?.requirements[0]?.values?.[0] ?? '');
  return {
    currentMonthlyCost: was.toFixed(2),
    projectedMonthlyCost: is.toFixed(2),
    projectedSavingsCostMonthly: (was - is).toFixed(2),
    projectedSavingsPercent: (was > 0 ? ((was - is) / was) * 100 : 0).toFixed(1),
    blueNodes: [],
    greenNodes: added
      ? [
          {
            name: added.metadata.name,
            instanceType,
            isSpot: false,
            milliCPU: instanceType ? cpuOf(instanceType) : 0,
            memoryMiB: 65_536,
            priceHourly: price.toFixed(4),
          },
        ]
      : [],
  };
};

/** Stores a plan as the planner would make it of what there is; undefined where there is nothing to plan. */
export const makePlan = (world: World, order: PlanOrder): RebalancePlan | undefined => {
  const { api, cluster } = world;
  const candidates = candidatesOf(world);
  if (candidates.length < 2) return undefined;
  const from = order.pick % candidates.length;
  const removed = [...candidates, ...candidates].slice(
    from,
    from + Math.min(order.count, candidates.length - 1),
  );
  const pods = removed.flatMap((c) => c.pods);
  const cpu = pods.reduce((sum, pod) => sum + cpuRequested(pod), 0);
  const kept = order.isOntoKept
    ? candidates.find(
        (c) => !removed.includes(c) && !c.node.spec?.unschedulable && cluster.freeCpu(c.node) >= cpu,
      )
    : undefined;
  const before = removed.reduce((sum, { claim }) => sum + priceOf(world, claim), 0);
  const type = TYPES.findIndex((name) => cpuOf(name) >= cpu);
  const isNeeded = !kept && pods.length > 0;
  const isWorth = (world.cluster.market.priceOf(TYPES[type] ?? '', ZONES[0], 'on-demand') ?? 9) < before;
  if (isNeeded && (type < 0 || !isWorth)) return undefined;
  const green = claimName(order.name, 1);
  const added = isNeeded ? toAdd(world, green, type, order.hasLargeAlternative) : undefined;
  const destination = kept?.claim.metadata.name ?? green;
  const { metadata } = api.create(
    REBALANCE_PLANS,
    typed(REBALANCE_PLANS, {
      metadata: { name: order.name },
      spec: {
        execute: false,
        ...(added && { nodeClaimsToAdd: [added] }),
        nodeClaimsToDelete: removed.map(({ claim }) => ({ nodeClaimName: claim.metadata.name })),
        podsToMigrate: pods.filter(isDrainable).map((pod) => moveOf(pod, destination)),
      },
    }),
  );
  const savings = savingsOf(before, added);
  api.edit(REBALANCE_PLANS, metadata, (p) => ({ ...p, status: { savings } }));
  const plan = api.edit(REBALANCE_PLANS, metadata, (p) => ({
    ...p,
    spec: { ...p.spec, execute: order.execute },
  }));
  if (plan)
    world.model.planned(
      plan,
      removed.map(({ claim }) => machineOf(claim)),
    );
  return plan;
};
