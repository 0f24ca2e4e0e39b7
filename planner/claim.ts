import {
  ARCH,
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  KARPENTER_NODEPOOL_HASH,
  KARPENTER_NODEPOOL_HASH_VERSION,
  OS,
  ZONE,
} from '../api/labels.ts';
import type { Requirement } from '../api/objects.ts';
import { formatAmount } from '../api/quantity.ts';
import type { NodeClaimToAdd } from '../api/rebalanceplan.ts';
import type { BoughtNode } from './arrangement.ts';
import { bundle, isSamePick, minValuesOf, withinCap } from './bundle.ts';
import type { OfferColumn } from './column.ts';
import { daemonRequests, daemonsOn } from './daemon.ts';
import type { LimitLedger } from './limit.ts';
import { nodeClassLabel, type Offer, ZONE_ID } from './offer.ts';
import type { Problem } from './problem.ts';
import type { Snapshot } from './snapshot.ts';
import { VOLUME_SLOTS } from './volume.ts';

const MAX_ALTERNATIVES = 8;

const hourly = (price: number): string => String(Number(price.toFixed(6)));

/** Whether a column holds what is on the node, in a place that suits every pod there. */
const holderOf = (problem: Problem, node: BoughtNode): ((column: OfferColumn) => boolean) => {
  const width = problem.dimensions.length;
  const load = new Float64Array(width);
  const shapes = [...node.content.keys()];
  for (const [shape, n] of node.content) {
    for (let d = 0; d < width; d += 1) load[d] = (load[d] ?? 0) + n * (problem.sizes[shape * width + d] ?? 0);
  }
  const suits = new Map<number, boolean>();
  return (column) => {
    for (let d = 0; d < width; d += 1) if ((column.room[d] ?? 0) < (load[d] ?? 0)) return false;
    let is = suits.get(column.group);
    if (is === undefined) {
      is = shapes.every((shape) => problem.allowed[column.group * problem.shapes.length + shape]);
      suits.set(column.group, is);
    }
    return is;
  };
};

/** Whether some pod on the node has rules that tie it to the node's domains. */
const isTied = (problem: Problem, node: BoughtNode): boolean =>
  [...node.content.keys()].some((shape) =>
    [...(problem.rules.countedBy[shape] ?? [])].some((tally) => {
      const key = problem.rules.tallies[tally]?.key ?? '';
      return problem.rules.keys.includes(key);
    }),
  );

const sameLabels = (problem: Problem, a: Offer, b: Offer): boolean =>
  problem.rules.keys.every((key) => a.label(key) === b.label(key));

/** More choices than these no claim has a use for, where its NodePool asks for no minValues. */
const MAX_CHOICES = 400;

/** Columns that could take the node's place under the same NodePool, cheapest first. */
const choicesFor = (problem: Problem, node: BoughtNode, most: number): OfferColumn[] => {
  const tied = isTied(problem, node);
  const holds = holderOf(problem, node);
  const choices: OfferColumn[] = [];
  for (const column of problem.everyColumn) {
    if (choices.length >= most) break;
    if (
      holds(column) &&
      isSamePick(column.offer, node.column.offer) &&
      (!tied || sameLabels(problem, column.offer, node.column.offer))
    ) {
      choices.push(column);
    }
  }
  const costOf = (column: OfferColumn): number => {
    // What is meant may be the cheapest for its commitment alone.
    if (column === node.column && problem.commitments.length > 0) return 0;
    return column.price + node.pods.length * column.podRisk;
  };
  return choices.sort((a, b) => costOf(a) - costOf(b));
};

const unique = (values: readonly string[]): string[] => [...new Set(values)];

const MANAGED = new Set<string>([INSTANCE_TYPE, ZONE, KARPENTER_CAPACITY_TYPE, ARCH, OS, ZONE_ID]);

/** Requirements that let the cloud choose among these columns and no dearer ones. */
const requirementsOf = (columns: readonly OfferColumn[]): Requirement[] => {
  const first = columns[0]?.offer;
  if (!first) return [];
  const template = first.pool.spec.template.spec.requirements;
  const minValues = (key: string): { minValues?: number } => {
    const found = template.filter((each) => each.key === key).flatMap((each) => each.minValues ?? []);
    return found.length > 0 ? { minValues: Math.max(...found) } : {};
  };
  const inList = (key: string, values: readonly string[]): Requirement => ({
    key,
    operator: 'In',
    values: unique(values),
    ...minValues(key),
  });
  const kept = template.filter((each) => !MANAGED.has(each.key) && first.picked[each.key] === undefined);
  return [
    ...kept,
    ...Object.entries(first.picked).map(([key, value]) => inList(key, [value])),
    inList(
      INSTANCE_TYPE,
      columns.map((column) => column.offer.type.name),
    ),
    inList(
      ZONE,
      columns.map((column) => column.offer.offering.zone),
    ),
    inList(
      KARPENTER_CAPACITY_TYPE,
      columns.map((column) => column.offer.offering.capacityType),
    ),
    inList(
      ARCH,
      columns.map((column) => column.offer.type.arch),
    ),
    inList(OS, [first.label(OS) ?? 'linux']),
  ];
};

/** Writes the NodeClaim that Karpenter would write for this node, and what to try when it can't be had. */
export const claimFor = (
  problem: Problem,
  snapshot: Snapshot,
  node: BoughtNode,
  name: string,
  ledger: LimitLedger,
): { readonly claim: NodeClaimToAdd; readonly column: OfferColumn } => {
  const needs = minValuesOf(node.column.offer.pool);
  const isPlain = needs.size === 0 && node.column.podRisk === 0 && problem.commitments.length === 0;
  const all = choicesFor(problem, node, isPlain ? MAX_CHOICES : Number.POSITIVE_INFINITY);
  const within = all.filter((each) =>
    ledger.allows(each.offer.pool.metadata.name, node.column.offer.type, each.offer.type),
  );
  // A claim with fewer values than minValues would be refused by the API server.
  const choices = bundle(within, needs).length > 0 ? within : all;
  const column = choices[0] ?? node.column;
  const { pool } = column.offer;
  const template = pool.spec.template;
  const [classKey, className] = nodeClassLabel(pool);
  const bundles: OfferColumn[][] = [];
  let left = choices;
  while (left.length > 0 && bundles.length < MAX_ALTERNATIVES) {
    const next = bundle(needs.size > 0 ? left : withinCap(left), needs);
    if (next.length === 0) break;
    bundles.push(next);
    const gone = new Set(next);
    left = left.filter((each) => !gone.has(each));
  }
  ledger.take(
    pool.metadata.name,
    node.column.offer.type,
    bundles.flat().map((each) => each.offer.type),
  );
  const alternatives = bundles.map((columns) => ({
    requirements: requirementsOf(columns),
    priceHourly: hourly(columns[0]?.offer.price ?? 0),
  }));
  const taints = template.spec.taints ?? [];
  const requests = daemonRequests(daemonsOn(snapshot.daemonSets, column.offer.labels, taints));
  for (const [shape, n] of node.content) {
    for (const [resource, value] of problem.shapes[shape]?.requests ?? []) {
      requests.set(resource, (requests.get(resource) ?? 0) + n * value);
    }
  }
  const hash = pool.metadata.annotations?.[KARPENTER_NODEPOOL_HASH];
  const version = pool.metadata.annotations?.[KARPENTER_NODEPOOL_HASH_VERSION];
  const spec = template.spec;
  return {
    column,
    claim: {
      metadata: {
        name,
        labels: {
          ...template.metadata?.labels,
          [KARPENTER_NODEPOOL]: pool.metadata.name,
          [classKey]: className,
        },
        annotations: {
          ...template.metadata?.annotations,
          ...(hash !== undefined && { [KARPENTER_NODEPOOL_HASH]: hash }),
          ...(version !== undefined && { [KARPENTER_NODEPOOL_HASH_VERSION]: version }),
        },
      },
      spec: {
        nodeClassRef: { ...spec.nodeClassRef },
        requirements: (alternatives[0]?.requirements ?? requirementsOf([column])).map(copyRequirement),
        resources: {
          requests: Object.fromEntries(
            [...requests]
              .filter(([r, value]) => value > 0 && !r.startsWith(VOLUME_SLOTS))
              .map(([r, value]) => [r, formatAmount(r, value)]),
          ),
        },
        ...(taints.length > 0 && { taints: taints.map(copyTaint) }),
        ...(spec.startupTaints?.length && { startupTaints: spec.startupTaints.map(copyTaint) }),
        ...(spec.expireAfter !== undefined && { expireAfter: spec.expireAfter }),
        ...(spec.terminationGracePeriod !== undefined && {
          terminationGracePeriod: spec.terminationGracePeriod,
        }),
      },
      alternatives: alternatives.map((each) => ({
        ...each,
        requirements: each.requirements.map(copyRequirement),
      })),
    },
  };
};

type PlannedRequirement = NodeClaimToAdd['spec']['requirements'][number];

const copyRequirement = (each: Requirement): PlannedRequirement => ({
  key: each.key,
  operator: each.operator,
  ...(each.values && { values: [...each.values] }),
  ...(each.minValues !== undefined && { minValues: each.minValues }),
});

const copyTaint = (each: {
  key: string;
  value?: string;
  effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}) => ({
  key: each.key,
  ...(each.value !== undefined && { value: each.value }),
  effect: each.effect,
});
