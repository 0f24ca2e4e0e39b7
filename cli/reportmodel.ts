import { ARCH, HOURS_PER_MONTH } from '../api/labels.ts';
import { billOf, type Cluster } from '../planner/cluster/clusterview.ts';
import { capacityTypeOf, typeOf, zoneOf } from '../planner/model/standingmachine.ts';
import type { RebalanceResult } from '../planner/rebalance.ts';
import { readAmounts } from '../planner/scheduling/nodeinfo.ts';
import type { Choice, KindChange, SavingPart } from './changes.ts';
import { clusterNodesOf } from './clusternodes.ts';
import type { PriceSource } from './prices/pricedcatalogue.ts';
import { secondsToJoin } from './report/durations.ts';
import { type LeftOut, leftOutOf } from './report/leftout.ts';
import { movesOf, type WorkloadMove } from './report/moves.ts';
import { situationOf } from './report/situation.ts';
import { pricesWithOverlays } from './report/steering.ts';
import type { Request } from './request.ts';

/** One node in the report. CPU in millicores, memory in MiB, costs in USD per month, null if unknown. */
export interface NodeLine {
  readonly name: string;
  readonly instanceType: string;
  readonly capacityType: string | null;
  readonly architecture: string | null;
  readonly zone: string | null;
  readonly monthlyCost: number | null;
  readonly cpu: number;
  readonly cpuFree: number;
  readonly memory: number;
  readonly memoryFree: number;
  readonly pods: number;
  /** Cost of unrequested resources: the cost times the mean of the free parts of CPU and memory. */
  readonly wastedMonthly: number | null;
  readonly fate: 'removed' | 'kept' | 'left out';
  readonly reasons: readonly string[];
}

/** The report, which `-o json` prints as it is: absent values are null. Costs in USD per month. */
export interface Report {
  readonly nodes: number;
  readonly pods: number;
  readonly pending: number;
  /** Nodes without a known price, which no sum counts. */
  readonly unpricedNodes: number;
  readonly monthlyBefore: number;
  readonly monthlyAfter: number;
  readonly monthlySavings: number;
  /** Null where nothing of what is there has a price. */
  readonly savingsPercent: number | null;
  readonly lowerBoundMonthly: number | null;
  readonly gapPercent: number | null;
  readonly podsMoved: number;
  /** What the plan does to each workload whose pods move. */
  readonly moves: readonly WorkloadMove[];
  /** How long the cluster's machines took to join, as the middle one of so many; null where none tells. */
  readonly machineStart: { readonly seconds: number; readonly of: number } | null;
  /** The nodes that may not be replaced, by cause. */
  readonly leftOut: readonly LeftOut[];
  readonly reason: string | null;
  /** Where the prices come from. */
  readonly prices: Omit<PriceSource, 'gaps'>;
  /** What of its users' settings the plan goes past. */
  readonly warnings: readonly string[];
  /** What this report could not see, each with what to do. */
  readonly unseen: readonly string[];
  readonly lines: readonly NodeLine[];
  /** The saving in parts: by packing alone, and by each change of the kind of machine. */
  readonly savingsBy: readonly SavingPart[];
  /** The saving with and without what `--keep` keeps, side by side; empty where nothing of it changes. */
  readonly choices: readonly (Choice & {
    readonly monthlyAfter: number;
    readonly savingsPercent: number | null;
  })[];
  /** Pods that get another kind of machine. */
  readonly kindChanges: readonly KindChange[];
  readonly added: readonly {
    readonly name: string;
    readonly instanceType: string;
    readonly capacityType: string;
    readonly architecture: string | null;
    readonly zone: string | null;
    readonly monthlyCost: number;
  }[];
}

const MIB = 1024 * 1024;
/** USD, rounded to cents. */
export const roundToCents = (value: number): number => Math.round(value * 100) / 100;

const inCents = (value: number | null): number | null => (value === null ? null : roundToCents(value));

const nodeLinesOf = (cluster: Cluster, result: RebalanceResult): NodeLine[] => {
  const removed = new Set((result.plan?.savings.blueNodes ?? []).map((node) => node.name));
  const skipped = new Map(result.skippedNodes.map(({ name, reasons }) => [name, reasons]));
  return clusterNodesOf(cluster).map(({ facts, view }) => {
    const allocatable = readAmounts(facts.node.status?.allocatable);
    const cpu = allocatable.get('cpu') ?? 0;
    const memory = allocatable.get('memory') ?? 0;
    const cpuFree = Math.max(0, view.free.get('cpu') ?? 0);
    const memoryFree = Math.max(0, view.free.get('memory') ?? 0);
    const { name, labels = {} } = facts.node.metadata;
    const monthlyCost = facts.price === undefined ? null : roundToCents(facts.price * HOURS_PER_MONTH);
    const unused = (cpu > 0 ? cpuFree / cpu : 0) / 2 + (memory > 0 ? memoryFree / memory : 0) / 2;
    return {
      name,
      instanceType: typeOf(facts.node),
      capacityType: typeOf(facts.node) === '' ? null : capacityTypeOf(facts.node),
      architecture: labels[ARCH] ?? null,
      zone: zoneOf(facts.node) ?? null,
      monthlyCost,
      cpu,
      cpuFree,
      memory: Math.floor(memory / MIB),
      memoryFree: Math.floor(memoryFree / MIB),
      pods: view.pods.length,
      wastedMonthly: monthlyCost === null ? null : roundToCents(monthlyCost * unused),
      fate: removed.has(name) ? 'removed' : skipped.has(name) ? 'left out' : 'kept',
      reasons: skipped.get(name) ?? [],
    };
  });
};

/** A part of a whole in percent; null of nothing. */
const percentOf = (part: number, whole: number): number | null =>
  whole > 0 ? Math.round((1000 * part) / whole) / 10 : null;

/** The report of a cluster as it runs today and as the plan would leave it. */
export const reportOf = (
  cluster: Cluster,
  result: RebalanceResult,
  { catalogue, prices: { gaps, ...prices } }: Pick<Request, 'catalogue' | 'prices'>,
  {
    savingsBy,
    choices,
    kindChanges,
    unseen,
  }: Pick<Report, 'savingsBy' | 'kindChanges' | 'unseen'> & { readonly choices: readonly Choice[] },
): Report => {
  const before = billOf(catalogue, cluster.facts).total() * HOURS_PER_MONTH;
  const savings = result.plan?.savings;
  const archOf = new Map(catalogue.instanceTypes.map(({ name, arch }) => [name, arch]));
  const after = savings ? Number(savings.projectedClusterMonthlyCost) : before;
  return {
    nodes: cluster.facts.length,
    pods: cluster.snapshot.pods.length,
    pending: cluster.pending.length,
    unpricedNodes: cluster.facts.filter(({ price }) => price === undefined).length,
    monthlyBefore: roundToCents(before),
    monthlyAfter: roundToCents(after),
    monthlySavings: roundToCents(before - after),
    savingsPercent: percentOf(before - after, before),
    lowerBoundMonthly:
      savings?.lowerBoundMonthlyCost === undefined ? null : Number(savings.lowerBoundMonthlyCost),
    gapPercent: savings?.gapPercent === undefined ? null : Number(savings.gapPercent),
    podsMoved: result.plan?.spec.podsToMigrate?.length ?? 0,
    moves: movesOf(cluster, result),
    machineStart: secondsToJoin(cluster.snapshot.nodeClaims) ?? null,
    leftOut: leftOutOf(cluster, result).map(({ alone, ...each }) => ({
      ...each,
      monthlyCost: inCents(each.monthlyCost),
      alone: { ...alone, monthlyCost: inCents(alone.monthlyCost) },
    })),
    reason: situationOf(cluster) ?? result.reason ?? null,
    prices: { ...prices, summary: pricesWithOverlays(prices.summary, cluster) },
    warnings: result.goesPast ?? [],
    unseen: [...gaps, ...unseen, ...(result.warnings ?? [])],
    lines: nodeLinesOf(cluster, result),
    savingsBy: savingsBy.map(({ by, monthly }) => ({ by, monthly: roundToCents(monthly) })),
    choices: choices.map((choice) => ({
      ...choice,
      monthlySavings: roundToCents(choice.monthlySavings),
      monthlyAfter: roundToCents(before - choice.monthlySavings),
      savingsPercent: percentOf(choice.monthlySavings, before),
    })),
    kindChanges,
    added: (savings?.greenNodes ?? []).map((node) => ({
      name: node.name,
      instanceType: node.instanceType,
      capacityType: node.capacityType ?? (node.isSpot ? 'spot' : 'on-demand'),
      architecture: archOf.get(node.instanceType) ?? null,
      zone: node.zone ?? null,
      monthlyCost: roundToCents(Number(node.priceHourly) * HOURS_PER_MONTH),
    })),
  };
};
