import { KARPENTER_CAPACITY_TYPE, OS, REGION, ZONE, ZONE_ID } from '../../../api/labels.ts';
import type { NodePool } from '../../../api/objects.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { InstanceType, Offering } from '../../model/catalogue.ts';
import { canonicalKey, isMachineKey, withAliases } from '../../model/machinelabels.ts';
import { offeringLabel, reservationLabels } from '../../model/offers/offeringlabels.ts';
import type { Supply } from '../../model/supply.ts';
import { type Labels, meets } from '../../scheduling/nodeaffinity.ts';
import type { Requests } from '../../scheduling/noderesources.ts';
import { VOLUME_SLOTS } from '../../scheduling/volumes.ts';
import { itemAt } from '../matrix.ts';
import {
  isUnknownLabel,
  type LabelSource,
  offeringMeets,
  openLabelsOf,
  poolLabelsOf,
  sortedRequirements,
  TypeLabels,
  typeMeets,
} from './newnodelabels.ts';

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
  /** Whether nobody knows the machine's value of a label, or whether it has one. */
  isUnknown(key: string): boolean;
  /** Room for pods, those of DaemonSets included. */
  readonly allocatable: Requests;
  /** The values chosen for labels that the NodePool leaves open. */
  readonly pickedLabels: Labels;
}

const amountsOf = ({ capacity, overhead, attachLimits }: InstanceType): Requests => {
  const free: Requests = new Map([
    ['cpu', capacity.cpu - overhead.cpu],
    ['memory', capacity.memory - overhead.memory],
    ['pods', capacity.pods - overhead.pods],
    ['ephemeral-storage', capacity.ephemeralStorage - overhead.ephemeralStorage],
  ]);
  for (const resource in capacity.other) {
    free.set(resource, (valueAt(capacity.other, resource) ?? 0) - (valueAt(overhead.other, resource) ?? 0));
  }
  for (const driver in attachLimits) free.set(`${VOLUME_SLOTS}${driver}`, valueAt(attachLimits, driver) ?? 0);
  return free;
};

/** What all launch options of one NodePool and type share. */
interface Shared {
  readonly labels: TypeLabels;
  readonly os: string;
  readonly allocatable: Requests;
  readonly pickedLabels: Labels;
  readonly source: LabelSource;
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
  readonly #shared: Shared;
  #own: Labels | undefined;

  constructor(pool: NodePool, type: InstanceType, offering: Offering, shared: Shared) {
    this.pool = pool;
    this.type = type;
    this.offering = offering;
    this.price = offering.price;
    this.allocatable = shared.allocatable;
    this.os = shared.os;
    this.pickedLabels = shared.pickedLabels;
    this.#shared = shared;
  }

  label(key: string): string | undefined {
    const canonical = canonicalKey(key);
    const { labels, source } = this.#shared;
    return offeringLabel(this.offering, canonical, source.regions) ?? labels.of(canonical) ?? labels.of(key);
  }

  isUnknown(key: string): boolean {
    return isUnknownLabel(this.type, canonicalKey(key), this.#shared.source) && this.label(key) === undefined;
  }

  get labels(): Labels {
    if (!this.#own) {
      const { zone, capacityType, zoneId } = this.offering;
      const region = this.#shared.source.regions.get(zone);
      this.#own = withAliases({
        ...this.#shared.labels.all(),
        [ZONE]: zone,
        [KARPENTER_CAPACITY_TYPE]: capacityType,
        ...(zoneId && { [ZONE_ID]: zoneId }),
        ...reservationLabels(this.offering),
        ...(region && { [REGION]: region }),
      });
    }
    return this.#own;
  }
}

/** What every plan with the same instance types has in common. */
interface TypesIndex {
  /** Room for pods, per instance type. */
  readonly allocatables: readonly Requests[];
  readonly zones: readonly string[];
  /** Per NodePool its launch options, and the label values (as JSON) that they were made for. */
  readonly launchOptions: WeakMap<NodePool, { readonly id: string; readonly runs: readonly Run[] }>;
}

/** Launch options of one NodePool, type and price; never empty. */
type Run = readonly LaunchOption[];

/**
 * A cache by object identity, safe as module state: instance types and NodePools are never changed, the same objects
 * give the same options, and entries go with their types. Without it a small plan takes up to 7 % longer.
 */
const indexes = new WeakMap<readonly InstanceType[], TypesIndex>();

const indexOf = (types: readonly InstanceType[]): TypesIndex => {
  const known = indexes.get(types);
  if (known) return known;
  const zones = new Set<string>();
  for (const { offerings } of types) for (const { zone } of offerings) zones.add(zone);
  const index: TypesIndex = {
    allocatables: types.map(amountsOf),
    zones: [...zones],
    launchOptions: new WeakMap(),
  };
  indexes.set(types, index);
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
  supply: Supply,
  selectedValues: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Run[] => {
  const { types, blocker } = supply.of(pool);
  const { ofOs, ofType, ofOffering, open, unknown } = sortedRequirements(pool, supply.keys);
  if (blocker !== undefined || unknown.length > 0) return [];
  const { allocatables, zones, launchOptions } = indexOf(types);
  const { picks, madeUp } = openLabelsOf(open, selectedValues);
  const regions = new Map(
    zones.flatMap((zone) => {
      const region = supply.regionOf(zone);
      return region === undefined ? [] : [[zone, region] as const];
    }),
  );
  const source: LabelSource = { keys: supply.keys, regions };
  const id = JSON.stringify([picks, [...regions]]);
  const known = launchOptions.get(pool);
  if (known?.id === id) return known.runs;
  const fixed = Object.fromEntries(
    Object.entries(poolLabelsOf(pool)).filter(([key]) => !supply.keys.has(key) && !isMachineKey(key)),
  );
  const runs: LaunchOption[][] = [];
  for (const pickedLabels of picks) {
    types.forEach((type, index) => {
      const os = type.os.find((each) => ofOs.every((r) => meets(r, each)));
      if (os === undefined) return;
      const labels = new TypeLabels([madeUp, type.labels, fixed, pickedLabels, { [OS]: os }]);
      if (!ofType.every((each) => typeMeets(each, type, labels, source))) return;
      const shared: Shared = { labels, os, allocatable: itemAt(allocatables, index), pickedLabels, source };
      let run: LaunchOption[] = [];
      for (const offering of type.offerings) {
        if (!offering.available || !ofOffering.every((each) => offeringMeets(each, offering, source)))
          continue;
        if (run[0]?.price !== offering.price) {
          run = [];
          runs.push(run);
        }
        run.push(new LazyLaunchOption(pool, type, offering, shared));
      }
    });
  }
  runs.sort(byPrice);
  launchOptions.set(pool, { id, runs });
  return runs;
};

/**
 * Every launch option that the NodePools and their supply allow, the cheapest first; those of one type and price follow
 * each other. `selectedValues` has, per label key, the values that pods select.
 */
export const launchOptionsOf = (
  pools: readonly NodePool[],
  supply: Supply,
  selectedValues: ReadonlyMap<string, ReadonlySet<string>>,
): LaunchOption[] =>
  pools
    .flatMap((pool) => runsOf(pool, supply, selectedValues))
    .sort(byPrice)
    .flat();
