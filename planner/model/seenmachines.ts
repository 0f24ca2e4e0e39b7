import type { ResourceList } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { type Amounts, amountOf, type Catalogue, type InstanceType } from './catalogue.ts';

/** A machine that stands in the cluster. */
export interface Sample {
  readonly type: string;
  /** The NodeClass object of its NodePool; empty for machines of nobody that is known. */
  readonly nodeClass: string;
  readonly allocatable: ResourceList;
  /** Volumes that it can attach at most, per CSI driver. */
  readonly attachLimits?: Readonly<Record<string, number>>;
}

/** The least that machines of one type were seen to give, per resource. */
interface Seen {
  readonly type: InstanceType;
  readonly amounts: Map<string, number>;
}

/** The family of a type: what its name says before the size. */
const familyOf = (name: string): string => name.split('.')[0] ?? name;

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
    for (const id of [type, `${familyOf(type)}.`, '']) {
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

  /** The type with no more room than such machines were seen to have. */
  asSeen(type: InstanceType, nodeClass: string): InstanceType {
    const attachLimits = this.#attachLimits(type.name);
    const withLimits = attachLimits ? { ...type, attachLimits } : type;
    const own = this.#ofClass.get(nodeClass)?.get(type.name);
    if (own) return withSeen(withLimits, own, true);
    const elsewhere = [...this.#ofClass].flatMap(([, seen]) => seen.get(type.name) ?? []);
    const [first] = elsewhere;
    if (first) return elsewhere.reduce((each, seen) => withSeen(each, seen, false), withLimits);
    const nearest = this.#nearest(type, nodeClass);
    return nearest ? scaled(withLimits, nearest) : withLimits;
  }

  #attachLimits(name: string): Readonly<Record<string, number>> | undefined {
    if (this.#drivers.size === 0) return undefined;
    const ids = [name, `${familyOf(name)}.`, ''];
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
    const family = familyOf(type.name);
    const ofClass = [...(this.#ofClass.get(nodeClass)?.values() ?? [])];
    const all = [...this.#ofClass.values()].flatMap((seen) => [...seen.values()]);
    const isFamily = (seen: Seen): boolean => familyOf(seen.type.name) === family;
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

/** The type as its own machines were seen; `isSameClass` also for how many pods they take, which a NodeClass decides. */
const withSeen = (type: InstanceType, { amounts }: Seen, isSameClass: boolean): InstanceType =>
  withOverhead(withUnlisted(type, amounts), (resource) =>
    resource === 'pods' && !isSameClass
      ? Number.POSITIVE_INFINITY
      : (amounts.get(resource) ?? Number.POSITIVE_INFINITY),
  );

/** The type with the share of its size that a machine of another size was seen to give. */
const scaled = (type: InstanceType, nearest: Seen): InstanceType => {
  const storage = nearest.amounts.get('ephemeral-storage');
  const listed = storage === undefined ? type : withUnlisted(type, new Map([['ephemeral-storage', storage]]));
  const pods = nearest.amounts.get('pods');
  const isCapped = pods !== undefined && pods < nearest.type.capacity.pods;
  return withOverhead(listed, (resource) => {
    switch (resource) {
      case 'cpu':
      case 'memory':
        return amountOf(type.capacity, resource) * ratio(nearest, resource);
      case 'pods':
        return isCapped ? pods : Number.POSITIVE_INFINITY;
      case 'ephemeral-storage':
        return storage ?? Number.POSITIVE_INFINITY;
      default:
        return Number.POSITIVE_INFINITY;
    }
  });
};
