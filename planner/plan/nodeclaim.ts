import { isDeepStrictEqual } from 'node:util';
import type { NodeClaimToAdd } from '../../api/kinds/rebalanceplan.ts';
import {
  ARCH,
  CAPACITY_RESERVATION_ID,
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  KARPENTER_NODEPOOL_HASH,
  KARPENTER_NODEPOOL_HASH_VERSION,
  OS,
  ZONE,
  ZONE_ID,
} from '../../api/labels.ts';
import type { Requirement } from '../../api/objects.ts';
import { formatAmount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { formatPrice } from '../../api/text/price.ts';
import type { RemainingLimits } from '../cluster/nodepoollimits.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import { nodeClassLabel } from '../packing/launch/newnodelabels.ts';
import { itemAt } from '../packing/matrix.ts';
import type { Problem } from '../packing/problem.ts';
import { daemonRequests, daemonSetsOn } from '../scheduling/daemonset.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { VOLUME_SLOTS } from '../scheduling/volumes.ts';
import type { AlternativeFinder } from './alternatives.ts';
import type { BoughtNode } from './assignment.ts';

const MAX_ALTERNATIVES = 8;

const MANAGED = new Set<string>([INSTANCE_TYPE, ZONE, KARPENTER_CAPACITY_TYPE, ARCH, OS, ZONE_ID]);

type PlannedRequirement = NodeClaimToAdd['spec']['requirements'][number];

const NO_RESERVATION: PlannedRequirement = { key: CAPACITY_RESERVATION_ID, operator: 'DoesNotExist' };

const copyRequirement = ({ key, operator, values, minValues }: Requirement): PlannedRequirement => ({
  key,
  operator,
  ...(values && { values: [...values] }),
  ...(minValues !== undefined && { minValues }),
});

/** Adds a value unless it is there; equal values mostly follow each other. */
const add = (values: string[], value: string): void => {
  if (value !== values.at(-1) && !values.includes(value)) values.push(value);
};

/** Requirements that let the cloud choose among these options alone. */
const requirementsOf = (options: readonly CompiledOption[]): PlannedRequirement[] => {
  const first = options[0]?.launchOption;
  if (!first) return [];
  const template = first.pool.spec.template.spec.requirements;
  const inList = (key: string, values: string[]): PlannedRequirement => {
    let minValues: number | undefined;
    for (const requirement of template) {
      if (requirement.key !== key || requirement.minValues === undefined) continue;
      minValues = Math.max(minValues ?? 0, requirement.minValues);
    }
    return { key, operator: 'In', values, ...(minValues !== undefined && { minValues }) };
  };
  const types: string[] = [];
  const zones: string[] = [];
  const capacityTypes: string[] = [];
  const archs: string[] = [];
  for (const { launchOption } of options) {
    const { type, offering } = launchOption;
    add(types, type.name);
    add(zones, offering.zone);
    add(capacityTypes, offering.capacityType);
    add(archs, type.arch);
  }
  const { reservation } = first.offering;
  const kept = template.filter(
    ({ key }) =>
      !MANAGED.has(key) &&
      valueAt(first.pickedLabels, key) === undefined &&
      !(reservation && key === CAPACITY_RESERVATION_ID),
  );
  return [
    ...kept.map(copyRequirement),
    ...Object.entries(first.pickedLabels).map(([key, value]) => inList(key, [value])),
    inList(INSTANCE_TYPE, types),
    inList(ZONE, zones),
    inList(KARPENTER_CAPACITY_TYPE, capacityTypes),
    inList(ARCH, archs),
    inList(OS, [first.os]),
    ...(reservation ? [inList(CAPACITY_RESERVATION_ID, [reservation.id])] : []),
  ];
};

/**
 * Requirements without those that the claim's own say in the same words, which an alternative is read with; its types are
 * always named.
 */
const withoutOwn = (
  requirements: readonly PlannedRequirement[],
  own: readonly PlannedRequirement[],
): PlannedRequirement[] => {
  const ofKey = (list: readonly PlannedRequirement[], wanted: string): readonly PlannedRequirement[] =>
    list.filter(({ key }) => key === wanted);
  return requirements.filter(
    ({ key }) => key === INSTANCE_TYPE || !isDeepStrictEqual(ofKey(requirements, key), ofKey(own, key)),
  );
};

/** Writes the NodeClaim that Karpenter would write for this node, with the alternatives for further attempts. */
export const writeNodeClaim = (
  problem: Problem,
  snapshot: Snapshot,
  finder: AlternativeFinder,
  node: BoughtNode,
  name: string,
  limits: RemainingLimits,
): { readonly claim: NodeClaimToAdd; readonly option: CompiledOption } => {
  const { option, instanceTypeSets } = finder.find(node, limits, MAX_ALTERNATIVES);
  const isOfReservation = option.launchOption.offering.reservation !== undefined;
  const asked = instanceTypeSets.map((options, index) => [
    ...requirementsOf(options),
    ...(isOfReservation && index > 0 ? [NO_RESERVATION] : []),
  ]);
  const own = asked[0] ?? requirementsOf([option]);
  const alternatives = asked.map((requirements, index) => ({
    requirements: index === 0 ? requirements : withoutOwn(requirements, own),
    priceHourly: formatPrice(itemAt(itemAt(instanceTypeSets, index), 0).launchOption.price),
  }));
  const { pool } = option.launchOption;
  const template = pool.spec.template;
  const [classKey, className] = nodeClassLabel(pool);
  const taints = template.spec.taints ?? [];
  const { daemonSets } = snapshot;
  const requests: Requests =
    daemonSets.length > 0
      ? daemonRequests(daemonSetsOn(daemonSets, option.launchOption.labels, taints))
      : new Map<string, number>();
  for (const [podClass, n] of node.content) {
    for (const [resource, value] of itemAt(problem.podClasses, podClass).requests) {
      requests.set(resource, (requests.get(resource) ?? 0) + n * value);
    }
  }
  const hash = pool.metadata.annotations?.[KARPENTER_NODEPOOL_HASH];
  const version = pool.metadata.annotations?.[KARPENTER_NODEPOOL_HASH_VERSION];
  const spec = template.spec;
  return {
    option,
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
        requirements: own.map(copyRequirement),
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
      alternatives,
    },
  };
};

const copyTaint = ({
  key,
  value,
  effect,
}: {
  key: string;
  value?: string;
  effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}) => ({
  key,
  ...(value !== undefined && { value }),
  effect,
});
