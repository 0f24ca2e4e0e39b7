import { ARCH, INSTANCE_TYPE, OS } from '../../api/labels.ts';
import { bytes, cpuMillis, QuantityError, wholeUnits } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Commitment, Covered } from './billing.ts';
import type { CapacityType } from './capacitytype.ts';
import { labelsOfAwsName } from './machinelabels.ts';

/** Capacity that a cloud keeps for an account: on demand, for a time (a block), or until the cloud wants it back. */
export interface CapacityReservation {
  readonly id: string;
  readonly type: 'default' | 'capacity-block';
  readonly interruptible: boolean;
  /** Machines that may still be launched into it. */
  readonly left: number;
  /** When that was counted, in milliseconds since 1970. */
  readonly readAt?: number;
}

/** One way to buy an instance type. */
export interface Offering {
  readonly zone: string;
  readonly zoneId?: string;
  readonly capacityType: CapacityType;
  /** USD per hour. */
  readonly price: number;
  readonly available: boolean;
  /** USD per hour before discounts of our own; left out where there are none. */
  readonly listPrice?: number;
  /** Its price while a commitment covers it. */
  readonly covered?: Covered;
  /** Set for one whose machines are launched into a reservation, until it is full. */
  readonly reservation?: CapacityReservation;
  /** Set for spot that was refused or taken back lately: bought only where no other spot stands in for it. */
  readonly isLessReliable?: true;
}

/** CPU in millicores, memory and ephemeralStorage in bytes, all else in whole units. */
export interface Amounts {
  readonly cpu: number;
  readonly memory: number;
  readonly pods: number;
  readonly ephemeralStorage: number;
  readonly other: Readonly<Record<string, number>>;
}

/** The amount of a resource by its name in Kubernetes. */
export const amountOf = (amounts: Amounts, resource: string): number => {
  switch (resource) {
    case 'cpu':
      return amounts.cpu;
    case 'memory':
      return amounts.memory;
    case 'pods':
      return amounts.pods;
    case 'ephemeral-storage':
      return amounts.ephemeralStorage;
    default:
      return valueAt(amounts.other, resource) ?? 0;
  }
};

/** An instance type; a node's allocatable resources are capacity less overhead. */
export interface InstanceType {
  readonly name: string;
  readonly arch: string;
  readonly os: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: Amounts;
  readonly overhead: Amounts;
  /** Volumes that a machine can attach at most, per CSI driver; left out where nothing is known. */
  readonly attachLimits?: Readonly<Record<string, number>>;
  readonly offerings: readonly Offering[];
}

/** A zone that ARC zonal shift takes traffic away from. */
export interface ShiftedZone {
  readonly zone: string;
  readonly zoneId: string;
  /** Milliseconds since 1970; left out where no end is known. */
  readonly until?: number;
}

export interface Catalogue {
  readonly instanceTypes: readonly InstanceType[];
  /** Zones that nothing is bought in and no pod is moved into; left out where there is none. */
  readonly shiftedZones?: readonly ShiftedZone[];
  readonly commitments?: readonly Commitment[];
  /** How much dearer spot may be, in percent, to spread workloads over spot pools; left out where they are not spread. */
  readonly spotDiversityPercent?: number;
  /** What of the file is not used, as sentences. */
  readonly warnings?: readonly string[];
}

/** The catalogue with each offering as `change` gives it; the same objects where nothing changes. */
export const mapOfferings = (
  catalogue: Catalogue,
  change: (offering: Offering, type: InstanceType) => Offering,
): Catalogue => {
  let isChanged = false;
  const instanceTypes = catalogue.instanceTypes.map((type) => {
    const offerings = type.offerings.map((offering) => change(offering, type));
    if (offerings.every((offering, n) => offering === type.offerings[n])) return type;
    isChanged = true;
    return { ...type, offerings };
  });
  return isChanged ? { ...catalogue, instanceTypes } : catalogue;
};

/** The catalogue in which no other offerings can be bought; their prices stay, to value nodes that stand. */
export const sellingOnly = (
  catalogue: Catalogue,
  isSold: (offering: Offering, type: InstanceType) => boolean,
): Catalogue =>
  mapOfferings(catalogue, (offering, type) =>
    isSold(offering, type) ? offering : { ...offering, available: false },
  );

/** A catalogue that can't be used; the message is one sentence that names the entry. */
export class CatalogueError extends Error {
  override readonly name = 'CatalogueError';
}

// Reserved for the kubelet by Karpenter's kwok provider (kwok/cloudprovider/helpers.go).
const KWOK_OVERHEAD: Amounts = {
  cpu: 100,
  memory: 10 * 1024 * 1024,
  pods: 0,
  ephemeralStorage: 0,
  other: {},
};

/** The family of an instance type, such as m5 of m5.large: what its name says before the size. */
export const instanceFamily = (instanceType: string): string => instanceType.split('.', 1)[0] ?? instanceType;

const DEFAULT_PODS = '110';

type Json = Record<string, unknown>;
const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const labelsOf = (
  name: string,
  arch: string,
  os: string,
  cpu: number,
  memory: number,
): Record<string, string> => {
  const family = name.includes('.') || name.includes('-') ? (name.split(/[.-]/)[0] ?? '') : name.slice(0, 1);
  const ofName = labelsOfAwsName(name, cpu, memory);
  return {
    [INSTANCE_TYPE]: name,
    [ARCH]: arch,
    [OS]: os,
    'karpenter.kwok.sh/instance-family': family,
    'karpenter.kwok.sh/instance-size': ofName['karpenter.k8s.aws/instance-size'] ?? String(cpu / 1000),
    'karpenter.kwok.sh/instance-cpu': String(cpu / 1000),
    'karpenter.kwok.sh/instance-memory': `${memory / 1024 ** 3}Gi`,
    ...ofName,
  };
};

const offeringOf = (what: string, raw: unknown): Offering[] => {
  if (!isRecord(raw)) throw new CatalogueError(`${what} has an offering that is not an object.`);
  const price = raw.Price ?? raw.price;
  if (typeof price !== 'number' || !Number.isFinite(price) || price < 0) {
    throw new CatalogueError(
      `${what} has an offering whose price is ${JSON.stringify(price)}, not a number of USD.`,
    );
  }
  const requirements = raw.Requirements ?? raw.requirements;
  const values = (key: string): string[] => {
    const found = (Array.isArray(requirements) ? requirements : []).find((r) => isRecord(r) && r.key === key);
    return isRecord(found) && Array.isArray(found.values) ? found.values.map(String) : [];
  };
  const available = (raw.Available ?? raw.available) !== false;
  return values('topology.kubernetes.io/zone').flatMap((zone) =>
    values('karpenter.sh/capacity-type').map((type) => {
      if (type !== 'spot' && type !== 'on-demand' && type !== 'reserved') {
        throw new CatalogueError(`${what} has an offering of capacity type '${type}', which is not known.`);
      }
      return { zone, capacityType: type, price, available };
    }),
  );
};

const instanceTypeOf = (raw: unknown, index: number): InstanceType => {
  if (!isRecord(raw) || typeof raw.name !== 'string') {
    throw new CatalogueError(`Entry ${index} of the catalogue has no name.`);
  }
  const name = raw.name;
  const what = `Instance type ${name} of the catalogue`;
  const resources = raw.resources;
  if (!isRecord(resources)) throw new CatalogueError(`${what} has no resources.`);
  if (!Array.isArray(raw.offerings)) throw new CatalogueError(`${what} has no offerings.`);
  const read = (resource: string, parse: (text: string) => number, otherwise?: string): number => {
    const quantity = valueAt(resources, resource) ?? otherwise;
    try {
      if (quantity === undefined) throw new QuantityError('missing');
      return parse(String(quantity));
    } catch {
      throw new CatalogueError(
        `${what} has ${JSON.stringify(quantity)} as ${resource}, which is not a quantity.`,
      );
    }
  };
  const known = new Set(['cpu', 'memory', 'pods', 'ephemeral-storage']);
  const other = Object.keys(resources).filter((resource) => !known.has(resource));
  const cpu = read('cpu', cpuMillis);
  const memory = read('memory', bytes);
  const arch = raw.architecture === 'x86_64' ? 'amd64' : String(raw.architecture ?? 'amd64');
  const os = Array.isArray(raw.operatingSystems) ? raw.operatingSystems.map(String) : ['linux'];
  return {
    name,
    arch,
    os,
    labels: labelsOf(name, arch, os[0] ?? 'linux', cpu, memory),
    capacity: {
      cpu,
      memory,
      pods: read('pods', wholeUnits, DEFAULT_PODS),
      ephemeralStorage: read('ephemeral-storage', bytes, '0'),
      other: Object.fromEntries(other.map((resource) => [resource, read(resource, wholeUnits)])),
    },
    overhead: KWOK_OVERHEAD,
    offerings: raw.offerings.flatMap((offering) => offeringOf(what, offering)),
  };
};

/** The type without what can't be true, and what of it is left out. */
const withoutImpossible = (
  type: InstanceType,
): { readonly type: InstanceType; readonly warning?: string } => {
  if (type.capacity.cpu <= 0 || type.capacity.memory <= 0) {
    const warning = `Instance type ${type.name} has no CPU or no memory in the catalogue, and is not bought.`;
    return { type: { ...type, offerings: [] }, warning };
  }
  const offerings = type.offerings.filter(({ price }) => price > 0);
  if (offerings.length === type.offerings.length) return { type };
  const what = offerings.length === 0 ? 'it is not bought' : 'those offerings are not used';
  return {
    type: { ...type, offerings },
    warning: `Instance type ${type.name} has a price of 0 in the catalogue, which nothing costs: ${what}.`,
  };
};

/**
 * Reads Karpenter's kwok file of instance types, with its kwok provider's overhead; throws a CatalogueError. Entries of
 * one name are kept beside each other where they are for other operating systems.
 */
export const catalogueFromKwok = (json: unknown): Catalogue => {
  if (!Array.isArray(json)) throw new CatalogueError('The catalogue is not a list of instance types.');
  const instanceTypes: InstanceType[] = [];
  const warnings: string[] = [];
  const known = new Map<string, Set<string>>();
  for (const [index, raw] of json.entries()) {
    const { type, warning } = withoutImpossible(instanceTypeOf(raw, index));
    if (warning) warnings.push(warning);
    const taken = known.get(type.name) ?? new Set<string>();
    known.set(type.name, taken);
    const os = type.os.filter((each) => !taken.has(each));
    if (os.length < type.os.length) {
      warnings.push(
        `Instance type ${type.name} is more than once in the catalogue; the first entry is used.`,
      );
    }
    const [first] = os;
    if (first === undefined) continue;
    for (const each of os) taken.add(each);
    instanceTypes.push(
      os.length === type.os.length ? type : { ...type, os, labels: { ...type.labels, [OS]: first } },
    );
  }
  if (instanceTypes.length === 0) throw new CatalogueError('The catalogue holds no instance type.');
  return { instanceTypes, ...(warnings.length > 0 && { warnings }) };
};
