import {
  ARCH,
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  OS,
  REGION,
  ZONE,
} from '../api/labels.ts';
import type { NodePool, Requirement } from '../api/objects.ts';
import type { Amounts, Catalogue, InstanceType, Offering } from './catalogue.ts';
import type { Requests } from './podresources.ts';
import { type Labels, meets } from './selector.ts';

/** One kind of node that can be bought: a NodePool's template, an instance type, a zone and a capacity type. */
export interface Offer {
  readonly pool: NodePool;
  readonly type: InstanceType;
  readonly offering: Offering;
  /** USD per hour. */
  readonly price: number;
  readonly labels: Labels;
  /** What the node gives to pods, DaemonSets included. */
  readonly allocatable: Requests;
  /** Values picked for labels that the NodePool leaves open. */
  readonly picked: Labels;
}

export const ZONE_ID = 'topology.k8s.aws/zone-id';
const PER_TYPE = new Set([INSTANCE_TYPE, ARCH, OS, ZONE, KARPENTER_CAPACITY_TYPE, ZONE_ID, REGION]);

/** Karpenter's label for the node class that a node was made from. */
export const nodeClassLabel = (pool: NodePool): readonly [string, string] => {
  const ref = pool.spec.template.spec.nodeClassRef;
  return [`${ref.group}/${ref.kind.toLowerCase()}`, ref.name];
};

/** Whether Karpenter would make nodes from this NodePool for pods: not static, not being deleted. */
export const isDynamic = (pool: NodePool): boolean =>
  pool.spec.replicas === undefined && pool.metadata.deletionTimestamp === undefined;

const amountsOf = (capacity: Amounts, overhead: Amounts): Requests => {
  const free: Requests = new Map([
    ['cpu', capacity.cpu - overhead.cpu],
    ['memory', capacity.memory - overhead.memory],
    ['pods', capacity.pods - overhead.pods],
    ['ephemeral-storage', capacity.ephemeralStorage - overhead.ephemeralStorage],
  ]);
  for (const resource in capacity.other) {
    free.set(resource, (capacity.other[resource] ?? 0) - (overhead.other[resource] ?? 0));
  }
  return free;
};

const MAX_PICKS = 64;

/**
 * The ways to give one value each to labels that the requirements leave open, such as `team In [a, b]`; for
 * requirements without a list, the values that pods ask for are tried.
 */
const picksOf = (
  requirements: readonly Requirement[],
  known: ReadonlySet<string>,
  asked: ReadonlyMap<string, ReadonlySet<string>>,
): Labels[] => {
  const byKey = new Map<string, Requirement[]>();
  for (const requirement of requirements) {
    if (known.has(requirement.key)) continue;
    byKey.set(requirement.key, [...(byKey.get(requirement.key) ?? []), requirement]);
  }
  let picks: Record<string, string>[] = [{}];
  for (const [key, list] of byKey) {
    if (list.some((each) => each.operator === 'DoesNotExist')) continue;
    const listed = list.filter((each) => each.operator === 'In').flatMap((each) => each.values ?? []);
    const values = new Set([...listed, ...(listed.length > 0 ? [] : (asked.get(key) ?? []))]);
    const allowed = [...values].filter((value) => list.every((each) => meets(each, value))).sort();
    if (allowed.length === 0) continue;
    picks = picks.flatMap((pick) => allowed.map((value) => ({ ...pick, [key]: value }))).slice(0, MAX_PICKS);
  }
  return picks;
};

/**
 * Every node that the NodePools and the catalogue allow. `asked` holds, per label key, the values that pods select.
 */
export const offersOf = (
  pools: readonly NodePool[],
  catalogue: Catalogue,
  asked: ReadonlyMap<string, ReadonlySet<string>>,
): Offer[] => {
  const typeKeys = new Set(PER_TYPE);
  for (const type of catalogue.instanceTypes) for (const key in type.labels) typeKeys.add(key);
  const allocatables = catalogue.instanceTypes.map((type) => amountsOf(type.capacity, type.overhead));
  const offers: Offer[] = [];
  for (const pool of pools.filter(isDynamic)) {
    const template = pool.spec.template;
    const [classKey, className] = nodeClassLabel(pool);
    const fixed = {
      ...template.metadata?.labels,
      [KARPENTER_NODEPOOL]: pool.metadata.name,
      [classKey]: className,
    };
    const requirements = template.spec.requirements;
    const typeRequirements = requirements.filter((each) => typeKeys.has(each.key));
    const known = new Set([...typeKeys, ...Object.keys(fixed)]);
    for (const picked of picksOf(requirements, known, asked)) {
      catalogue.instanceTypes.forEach((type, index) => {
        const os = type.os.find((each) => requirements.every((r) => r.key !== OS || meets(r, each)));
        if (os === undefined) return;
        const base = { ...type.labels, ...fixed, ...picked, [OS]: os };
        for (const offering of type.offerings) {
          if (!offering.available) continue;
          const labels: Record<string, string> = {
            ...base,
            [ZONE]: offering.zone,
            [KARPENTER_CAPACITY_TYPE]: offering.capacityType,
          };
          if (offering.zoneId) labels[ZONE_ID] = offering.zoneId;
          if (!typeRequirements.every((each) => each.key === REGION || meets(each, labels[each.key])))
            continue;
          const allocatable = allocatables[index] ?? new Map();
          offers.push({ pool, type, offering, price: offering.price, labels, allocatable, picked });
        }
      });
    }
  }
  return offers;
};
