import {
  ARCH,
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  OS,
  REGION,
  ZONE,
  ZONE_ID,
} from '../../api/labels.ts';
import type { NodePool, Requirement } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Amounts, Catalogue, InstanceType, Offering } from '../model/catalogue.ts';
import { isDynamic } from '../model/nodepool.ts';
import { type Labels, meets } from '../scheduling/nodeaffinity.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { itemAt } from './matrix.ts';

/** A NodePool, an instance type and an offering (zone, capacity type, price) that together can be bought. */
export interface LaunchOption {
  readonly pool: NodePool;
  readonly type: InstanceType;
  readonly offering: Offering;
  /** USD per hour. */
  readonly price: number;
  readonly os: string;
  readonly labels: Labels;
  /** One label, without building the map of all. */
  label(key: string): string | undefined;
  /** Room for pods, those of DaemonSets included. */
  readonly allocatable: Requests;
  /** The values chosen for labels that the NodePool leaves open. */
  readonly pickedLabels: Labels;
}

const PER_TYPE = new Set([INSTANCE_TYPE, ARCH, OS, ZONE, KARPENTER_CAPACITY_TYPE, ZONE_ID, REGION]);

/** Karpenter's label, key and value, for the NodeClass object of a NodePool's nodes. */
export const nodeClassLabel = (pool: NodePool): readonly [string, string] => {
  const ref = pool.spec.template.spec.nodeClassRef;
  return [`${ref.group}/${ref.kind.toLowerCase()}`, ref.name];
};

const amountsOf = (capacity: Amounts, overhead: Amounts): Requests => {
  const free: Requests = new Map([
    ['cpu', capacity.cpu - overhead.cpu],
    ['memory', capacity.memory - overhead.memory],
    ['pods', capacity.pods - overhead.pods],
    ['ephemeral-storage', capacity.ephemeralStorage - overhead.ephemeralStorage],
  ]);
  for (const resource in capacity.other) {
    free.set(resource, (valueAt(capacity.other, resource) ?? 0) - (valueAt(overhead.other, resource) ?? 0));
  }
  return free;
};

/** Combinations of open label values that are tried at most, per NodePool. */
const MAX_PICKS = 64;

/**
 * Combinations of values for labels that the requirements leave open, such as `team In [a, b]`. A requirement without
 * a list of values takes those that pods select.
 */
const picksOf = (
  requirements: readonly Requirement[],
  known: ReadonlySet<string>,
  selectedValues: ReadonlyMap<string, ReadonlySet<string>>,
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
    const values = new Set([...listed, ...(listed.length > 0 ? [] : (selectedValues.get(key) ?? []))]);
    const allowed = [...values].filter((value) => list.every((each) => meets(each, value))).sort();
    if (allowed.length === 0) continue;
    picks = picks.flatMap((pick) => allowed.map((value) => ({ ...pick, [key]: value }))).slice(0, MAX_PICKS);
  }
  return picks;
};

/** The labels that nodes of one NodePool and type share in every zone. */
class TypeLabels {
  readonly #layers: readonly Labels[];
  #whole: Labels | undefined;

  /** A later layer overrides an earlier one. */
  constructor(layers: readonly Labels[]) {
    this.#layers = layers;
  }

  of(key: string): string | undefined {
    for (let i = this.#layers.length - 1; i >= 0; i -= 1) {
      const value = valueAt(this.#layers[i], key);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  all(): Labels {
    if (!this.#whole) {
      let whole: Labels = {};
      for (const layer of this.#layers) whole = { ...whole, ...layer };
      this.#whole = whole;
    }
    return this.#whole;
  }
}

/** A launch option that builds its labels on first use: most options never need them. */
class LazyLaunchOption implements LaunchOption {
  readonly pool: NodePool;
  readonly type: InstanceType;
  readonly offering: Offering;
  readonly price: number;
  readonly os: string;
  readonly allocatable: Requests;
  readonly pickedLabels: Labels;
  readonly #shared: TypeLabels;
  #own: Labels | undefined;

  constructor(
    pool: NodePool,
    type: InstanceType,
    offering: Offering,
    allocatable: Requests,
    os: string,
    pickedLabels: Labels,
    shared: TypeLabels,
  ) {
    this.pool = pool;
    this.type = type;
    this.offering = offering;
    this.price = offering.price;
    this.allocatable = allocatable;
    this.os = os;
    this.pickedLabels = pickedLabels;
    this.#shared = shared;
  }

  label(key: string): string | undefined {
    return ownLabel(this.offering, key) ?? this.#shared.of(key);
  }

  get labels(): Labels {
    const { zone, capacityType, zoneId } = this.offering;
    this.#own ??= {
      ...this.#shared.all(),
      [ZONE]: zone,
      [KARPENTER_CAPACITY_TYPE]: capacityType,
      ...(zoneId && { [ZONE_ID]: zoneId }),
    };
    return this.#own;
  }
}

const PER_OFFERING = new Set([ZONE, KARPENTER_CAPACITY_TYPE, ZONE_ID]);

const ownLabel = ({ zone, capacityType, zoneId }: Offering, key: string): string | undefined => {
  if (key === ZONE) return zone;
  if (key === KARPENTER_CAPACITY_TYPE) return capacityType;
  return key === ZONE_ID ? zoneId || undefined : undefined;
};

/** What every plan with the same catalogue has in common. */
interface CatalogueIndex {
  /** Label keys that instance types define. */
  readonly keys: ReadonlySet<string>;
  /** Room for pods, per instance type. */
  readonly allocatables: readonly Requests[];
  /** Per NodePool its launch options, and the label values (as JSON) that they were made for. */
  readonly launchOptions: WeakMap<NodePool, { readonly picks: string; readonly runs: readonly Run[] }>;
}

/** Launch options of one NodePool, type and price; never empty. */
type Run = readonly LaunchOption[];

/**
 * A cache by object identity, safe as module state: catalogues and NodePools are never changed, the same objects give
 * the same options, and entries go with their catalogue. Without it a small plan takes up to 7 % longer.
 */
const indexes = new WeakMap<Catalogue, CatalogueIndex>();

const indexOf = (catalogue: Catalogue): CatalogueIndex => {
  const known = indexes.get(catalogue);
  if (known) return known;
  const keys = new Set(PER_TYPE);
  for (const type of catalogue.instanceTypes) for (const key in type.labels) keys.add(key);
  const allocatables = catalogue.instanceTypes.map((type) => amountsOf(type.capacity, type.overhead));
  const index: CatalogueIndex = { keys, allocatables, launchOptions: new WeakMap() };
  indexes.set(catalogue, index);
  return index;
};

const byPrice = (runA: Run, runB: Run): number => {
  const a = itemAt(runA, 0);
  const b = itemAt(runB, 0);
  if (a.price !== b.price) return a.price - b.price;
  return a.type.name < b.type.name ? -1 : a.type.name > b.type.name ? 1 : 0;
};

const runsOf = (
  pool: NodePool,
  catalogue: Catalogue,
  selectedValues: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Run[] => {
  const { keys, allocatables, launchOptions } = indexOf(catalogue);
  const template = pool.spec.template;
  const [classKey, className] = nodeClassLabel(pool);
  const fixed = {
    ...template.metadata?.labels,
    [KARPENTER_NODEPOOL]: pool.metadata.name,
    [classKey]: className,
  };
  const requirements = template.spec.requirements;
  const allPicks = picksOf(requirements, new Set([...keys, ...Object.keys(fixed)]), selectedValues);
  const picks = JSON.stringify(allPicks);
  const known = launchOptions.get(pool);
  if (known?.picks === picks) return known.runs;
  const typeRequirements = requirements.filter((each) => keys.has(each.key) && each.key !== REGION);
  const ofType = typeRequirements.filter((each) => !PER_OFFERING.has(each.key));
  const ofOffering = typeRequirements.filter((each) => PER_OFFERING.has(each.key));
  const ofOs = requirements.filter(({ key }) => key === OS);
  const runs: LaunchOption[][] = [];
  for (const pickedLabels of allPicks) {
    catalogue.instanceTypes.forEach((type, index) => {
      const os = type.os.find((each) => ofOs.every((r) => meets(r, each)));
      if (os === undefined) return;
      const shared = new TypeLabels([type.labels, fixed, pickedLabels, { [OS]: os }]);
      if (!ofType.every((each) => meets(each, shared.of(each.key)))) return;
      const allocatable = itemAt(allocatables, index);
      let run: LaunchOption[] = [];
      for (const offering of type.offerings) {
        const isMet = ofOffering.every((each) =>
          meets(each, ownLabel(offering, each.key) ?? shared.of(each.key)),
        );
        if (!offering.available || !isMet) continue;
        if (run[0]?.price !== offering.price) {
          run = [];
          runs.push(run);
        }
        run.push(new LazyLaunchOption(pool, type, offering, allocatable, os, pickedLabels, shared));
      }
    });
  }
  runs.sort(byPrice);
  launchOptions.set(pool, { picks, runs });
  return runs;
};

/**
 * Every launch option that the NodePools and the catalogue allow, the cheapest first; those of one type and price
 * follow each other. `selectedValues` has, per label key, the values that pods select.
 */
export const launchOptionsOf = (
  pools: readonly NodePool[],
  catalogue: Catalogue,
  selectedValues: ReadonlyMap<string, ReadonlySet<string>>,
): LaunchOption[] => {
  const runs = pools.filter(isDynamic).flatMap((pool) => runsOf(pool, catalogue, selectedValues));
  return runs.sort(byPrice).flat();
};
