import type { ResourceList } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { type Amounts, amountOf, type Catalogue, type InstanceType, instanceFamily } from './catalogue.ts';
import { isAbsentByName } from './machinelabels.ts';

/** A machine that stands in the cluster. */
export interface Sample {
  readonly type: string;
  /** The NodeClass object of its NodePool; empty for machines of nobody that is known. */
  readonly nodeClass: string;
  readonly allocatable: ResourceList;
  /** Volumes that it can attach at most, per CSI driver. */
  readonly attachLimits?: Readonly<Record<string, number>>;
}

/** What the NodeClass tells of a type: a setting, or a number that a standing machine, which may be older, only lowers. */
export interface ToldByClass {
  readonly pods?: 'set' | 'counted';
  readonly isDiskCounted?: boolean;
}

/** The least that machines of one type were seen to give, per resource. */
interface Seen {
  readonly type: InstanceType;
  readonly amounts: Map<string, number>;
}

const LISTED: ReadonlySet<string> = new Set(['cpu', 'memory', 'pods', 'ephemeral-storage']);

/** Memory below which system and kubelet may well take the greater part. */
const SMALL_MEMORY = 4 * 1024 ** 3;

/** Whether a machine gives at least half of its size: one that does not is broken, and says nothing about its like. */
const isPlausible = ({ capacity }: InstanceType, allocatable: ResourceList): boolean => {
  const given = (resource: string): number => amount(resource, valueAt(allocatable, resource) ?? '0');
  return (
    given('cpu') >= capacity.cpu / 2 &&
    (capacity.memory < SMALL_MEMORY ? given('memory') > 0 : given('memory') >= capacity.memory / 2)
  );
};

const distance = (a: InstanceType, b: InstanceType): number =>
  Math.abs(Math.log(a.capacity.memory / Math.max(1, b.capacity.memory)));

/**
 * What standing machines show of those of their type, size or family that are yet to be bought: a price list says what
 * a machine has, not what hypervisor, system and kubelet leave to pods.
 */
export class SeenMachines {
  /** Per NodeClass and type. */
  readonly #ofClass = new Map<string, Map<string, Seen>>();
  /** Attach limits per driver: of types, families, and of all machines. */
  readonly #limits = new Map<string, Map<string, number>>();
  readonly #drivers = new Set<string>();
  readonly isEmpty: boolean;

  constructor(samples: readonly Sample[], catalogue: Catalogue) {
    const types = new Map(catalogue.instanceTypes.map((type) => [type.name, type]));
    const read = new Set<string>();
    for (const { type: name, nodeClass, allocatable, attachLimits } of samples) {
      for (const driver in attachLimits) this.#addLimit(name, driver, valueAt(attachLimits, driver) ?? 0);
      const type = types.get(name);
      const id = JSON.stringify([name, nodeClass, allocatable]);
      if (!type || read.has(id)) continue;
      read.add(id);
      if (!isPlausible(type, allocatable)) continue;
      const ofClass = this.#ofClass.get(nodeClass) ?? new Map<string, Seen>();
      this.#ofClass.set(nodeClass, ofClass);
      const seen = ofClass.get(name) ?? { type, amounts: new Map<string, number>() };
      ofClass.set(name, seen);
      for (const resource in allocatable) {
        const value = amount(resource, valueAt(allocatable, resource) ?? '0');
        if (value > 0) seen.amounts.set(resource, Math.min(value, seen.amounts.get(resource) ?? value));
      }
    }
    this.isEmpty = this.#ofClass.size === 0 && this.#limits.size === 0;
  }

  #addLimit(type: string, driver: string, limit: number): void {
    this.#drivers.add(driver);
    for (const id of [type, `${instanceFamily(type)}.`, '']) {
      const limits = this.#limits.get(id) ?? new Map<string, number>();
      this.#limits.set(id, limits);
      limits.set(driver, Math.min(limit, limits.get(driver) ?? limit));
    }
  }

  /** All that `asSeen` looks at for a NodeClass, as text: equal texts give equal types. */
  textFor(nodeClass: string): string {
    const classes = [...this.#ofClass]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, seen]) => [
        id === nodeClass,
        [...seen].map(([name, { amounts }]) => [name, [...amounts].sort()]).sort(),
      ]);
    const limits = [...this.#limits].map(([id, each]) => [id, [...each].sort()]).sort();
    return JSON.stringify([classes, limits]);
  }

  /** Whether a machine of the type stands that a NodeClass made. */
  has(type: string, nodeClass: string): boolean {
    return this.#ofClass.get(nodeClass)?.has(type) ?? false;
  }

  /** The type as such machines were seen: with no more CPU and memory, and their pods and disks where those are not told. */
  asSeen(type: InstanceType, nodeClass: string, told: ToldByClass = {}): InstanceType {
    const attachLimits = this.#attachLimits(type.name);
    const withLimits = attachLimits ? { ...type, attachLimits } : type;
    const own = this.#ofClass.get(nodeClass)?.get(type.name);
    if (own) return withOwn(withLimits, own, told);
    const elsewhere = [...this.#ofClass].flatMap(([, seen]) => seen.get(type.name) ?? []);
    const ofClass = [...(this.#ofClass.get(nodeClass)?.values() ?? [])];
    const nearest = elsewhere.length > 0 ? undefined : this.#nearest(type, nodeClass);
    const sized = nearest
      ? scaled(withLimits, nearest)
      : elsewhere.reduce((each, seen) => withSeen(each, seen), withLimits);
    const withDisk = nearest && ofClass.includes(nearest) ? withRootVolume(sized, nearest) : sized;
    return told.pods === 'set'
      ? withDisk
      : withPods(
          withDisk,
          atMost(podsElsewhere(type, nearest, ofClass), type, 'pods', told.pods === 'counted'),
        );
  }

  #attachLimits(name: string): Readonly<Record<string, number>> | undefined {
    if (this.#drivers.size === 0) return undefined;
    const ids = [name, `${instanceFamily(name)}.`, ''];
    return Object.fromEntries(
      [...this.#drivers].flatMap((driver) => {
        for (const id of ids) {
          const limit = this.#limits.get(id)?.get(driver);
          if (limit !== undefined) return [[driver, limit] as const];
        }
        return [];
      }),
    );
  }

  /** The machine of another size that tells most: of the family before others, of the NodeClass, nearest in memory. */
  #nearest(type: InstanceType, nodeClass: string): Seen | undefined {
    const family = instanceFamily(type.name);
    const ofClass = [...(this.#ofClass.get(nodeClass)?.values() ?? [])];
    const all = [...this.#ofClass.values()].flatMap((seen) => [...seen.values()]);
    const isFamily = (seen: Seen): boolean => instanceFamily(seen.type.name) === family;
    const pool =
      [ofClass.filter(isFamily), all.filter(isFamily), ofClass].find((list) => list.length > 0) ?? [];
    return pool.reduce<Seen | undefined>((best, seen) => {
      if (!best) return seen;
      const closer = distance(seen.type, type) - distance(best.type, type);
      if (Math.abs(closer) > 1e-9) return closer < 0 ? seen : best;
      return ratio(seen, 'memory') < ratio(best, 'memory') ? seen : best;
    }, undefined);
  }
}

const ratio = ({ type, amounts }: Seen, resource: string): number => {
  const listed = amountOf(type.capacity, resource);
  const given = amounts.get(resource);
  return given === undefined || listed <= 0 ? 1 : Math.min(1, given / listed);
};

const withOverhead = (type: InstanceType, givenOf: (resource: string) => number): InstanceType => {
  const { capacity, overhead } = type;
  const of = (resource: string, old: number): number =>
    Math.max(old, amountOf(type.capacity, resource) - Math.floor(givenOf(resource)));
  const more: Amounts = {
    cpu: of('cpu', overhead.cpu),
    memory: of('memory', overhead.memory),
    pods: of('pods', overhead.pods),
    ephemeralStorage: of('ephemeral-storage', overhead.ephemeralStorage),
    other: Object.fromEntries(
      Object.keys(capacity.other).map((resource) => [
        resource,
        of(resource, valueAt(overhead.other, resource) ?? 0),
      ]),
    ),
  };
  return { ...type, overhead: more };
};

/** Adds what the catalogue does not list and machines were seen to have. */
const withUnlisted = (type: InstanceType, amounts: ReadonlyMap<string, number>): InstanceType => {
  const { capacity } = type;
  const storage = amounts.get('ephemeral-storage') ?? 0;
  const other = [...amounts].filter(
    ([resource]) => !LISTED.has(resource) && valueAt(capacity.other, resource) === undefined,
  );
  if (other.length === 0 && (capacity.ephemeralStorage > 0 || storage === 0)) return type;
  return {
    ...type,
    capacity: {
      ...capacity,
      ephemeralStorage: capacity.ephemeralStorage || storage,
      other: { ...capacity.other, ...Object.fromEntries(other) },
    },
  };
};

/** The type as machines of it in other NodeClasses were seen; how many pods they take and their disks are their classes'. */
const withSeen = (type: InstanceType, { amounts }: Seen): InstanceType =>
  withOverhead(withUnlisted(type, amounts), (resource) =>
    resource === 'pods' ? Number.POSITIVE_INFINITY : (amounts.get(resource) ?? Number.POSITIVE_INFINITY),
  );

/** The type with room for so many pods. */
const withPods = (type: InstanceType, pods: number): InstanceType => ({
  ...type,
  capacity: { ...type.capacity, pods },
  overhead: { ...type.overhead, pods: 0 },
});

/** What was seen of a resource, and where it is counted no more than the type gives. */
const atMost = (seen: number, type: InstanceType, resource: string, isCounted = false): number =>
  isCounted ? Math.min(seen, amountOf(type.capacity, resource) - amountOf(type.overhead, resource)) : seen;

/** The type with so much disk for pods. */
const withDisk = (type: InstanceType, bytes: number): InstanceType => {
  const ephemeralStorage = Math.max(bytes, type.capacity.ephemeralStorage);
  return {
    ...type,
    capacity: { ...type.capacity, ephemeralStorage },
    overhead: { ...type.overhead, ephemeralStorage: ephemeralStorage - bytes },
  };
};

/** The type as its own machines of its NodeClass were seen. */
const withOwn = (type: InstanceType, seen: Seen, told: ToldByClass): InstanceType => {
  const lowered = withSeen(type, seen);
  const pods = seen.amounts.get('pods');
  const disk = seen.amounts.get('ephemeral-storage');
  const counted =
    pods === undefined || told.pods === 'set'
      ? lowered
      : withPods(lowered, atMost(pods, type, 'pods', told.pods === 'counted'));
  return disk === undefined
    ? counted
    : withDisk(counted, atMost(disk, type, 'ephemeral-storage', told.isDiskCounted));
};

/** Whether no machine of the type has a disk of its own, by its name. */
const hasRootVolumeAlone = ({ name }: InstanceType): boolean =>
  isAbsentByName(name, 'karpenter.k8s.aws/instance-local-nvme');

/** The type with the root volume of a machine of its NodeClass, where neither may have another disk. */
const withRootVolume = (type: InstanceType, { type: other, amounts }: Seen): InstanceType => {
  const disk = amounts.get('ephemeral-storage');
  return disk !== undefined && hasRootVolumeAlone(type) && hasRootVolumeAlone(other)
    ? withDisk(type, disk)
    : type;
};

/** Pods that kubelets take where somebody set it: Kubernetes' own number, and what EKS advises for large machines. */
const USUAL_SETTINGS: ReadonlySet<number> = new Set([110, 250]);

/** Pods per machine where a NodeClass sets that for all sizes: types that are listed with other numbers have one alike. */
const commonPods = (ofClass: readonly Seen[]): number | undefined => {
  const all = ofClass.flatMap(({ type, amounts }) => {
    const pods = amounts.get('pods');
    return pods === undefined ? [] : [{ listed: type.capacity.pods, pods }];
  });
  const [first] = all;
  if (!first || all.some(({ pods }) => pods !== first.pods)) return undefined;
  const isSet = USUAL_SETTINGS.has(first.pods) || all.some(({ listed }) => listed !== first.listed);
  return isSet ? first.pods : undefined;
};

/** How many pods a type takes that no machine of its NodeClass shows: by those of other types. */
const podsElsewhere = (type: InstanceType, nearest: Seen | undefined, ofClass: readonly Seen[]): number => {
  const listed = type.capacity.pods - type.overhead.pods;
  const common = commonPods(ofClass);
  if (common !== undefined) {
    const isMore = ofClass.some((seen) => common > seen.type.capacity.pods);
    return isMore ? common : Math.min(listed, common);
  }
  return nearest ? Math.floor(listed * ratio(nearest, 'pods') + 1e-9) : listed;
};

/** The type with the share of its size that a machine of another size was seen to give. */
const scaled = (type: InstanceType, nearest: Seen): InstanceType => {
  const storage = nearest.amounts.get('ephemeral-storage');
  const listed = storage === undefined ? type : withUnlisted(type, new Map([['ephemeral-storage', storage]]));
  return withOverhead(listed, (resource) => {
    switch (resource) {
      case 'cpu':
      case 'memory':
        return amountOf(type.capacity, resource) * ratio(nearest, resource);
      case 'ephemeral-storage':
        return storage ?? Number.POSITIVE_INFINITY;
      default:
        return Number.POSITIVE_INFINITY;
    }
  });
};
