import { ARCH, INSTANCE_TYPE, OS } from '../../api/labels.ts';
import { bytes, cpuMillis, QuantityError, wholeUnits } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Commitment, Covered } from './billing.ts';
import type { CapacityType } from './capacitytype.ts';

/** One way to buy an instance type. */
export interface Offering {
  readonly zone: string;
  readonly zoneId?: string;
  readonly capacityType: CapacityType;
  /** USD per hour. */
  readonly price: number;
  readonly available: boolean;
  /** Its price while a commitment covers it. */
  readonly covered?: Covered;
}

/** CPU in millicores, memory and ephemeralStorage in bytes, all else in whole units. */
export interface Amounts {
  readonly cpu: number;
  readonly memory: number;
  readonly pods: number;
  readonly ephemeralStorage: number;
  readonly other: Readonly<Record<string, number>>;
}

/** An instance type; a node's allocatable resources are capacity less overhead. */
export interface InstanceType {
  readonly name: string;
  readonly arch: string;
  readonly os: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: Amounts;
  readonly overhead: Amounts;
  readonly offerings: readonly Offering[];
}

export interface Catalogue {
  readonly instanceTypes: readonly InstanceType[];
  readonly commitments?: readonly Commitment[];
}

/** A catalogue that can't be used; the message is one sentence that names the entry. */
export class CatalogueError extends Error {
  override readonly name = 'CatalogueError';
}

const AWS_NAME = /^(([a-z]+)(\d+)[a-z0-9-]*)\.(nano|micro|small|medium|large|\d*xlarge|metal(?:-\d+xl)?)$/;

// Reserved for the kubelet by Karpenter's kwok provider (kwok/cloudprovider/helpers.go).
const KWOK_OVERHEAD: Amounts = {
  cpu: 100,
  memory: 10 * 1024 * 1024,
  pods: 0,
  ephemeralStorage: 0,
  other: {},
};

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
  const labels: Record<string, string> = { [INSTANCE_TYPE]: name, [ARCH]: arch, [OS]: os };
  const aws = AWS_NAME.exec(name);
  labels['karpenter.kwok.sh/instance-family'] = family;
  labels['karpenter.kwok.sh/instance-size'] = aws?.[4] ?? String(cpu / 1000);
  labels['karpenter.kwok.sh/instance-cpu'] = String(cpu / 1000);
  labels['karpenter.kwok.sh/instance-memory'] = `${memory / 1024 ** 3}Gi`;
  if (aws) {
    labels['karpenter.k8s.aws/instance-category'] = aws[2] ?? '';
    labels['karpenter.k8s.aws/instance-family'] = aws[1] ?? '';
    labels['karpenter.k8s.aws/instance-generation'] = aws[3] ?? '';
    labels['karpenter.k8s.aws/instance-size'] = aws[4] ?? '';
    labels['karpenter.k8s.aws/instance-cpu'] = String(cpu / 1000);
    labels['karpenter.k8s.aws/instance-memory'] = String(memory / 1024 ** 2);
  }
  return labels;
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

/**
 * Reads Karpenter's kwok file of instance types, with its kwok provider's overhead; throws a CatalogueError. Of two
 * entries with one name, the one for linux is kept.
 */
export const catalogueFromKwok = (json: unknown): Catalogue => {
  if (!Array.isArray(json)) throw new CatalogueError('The catalogue is not a list of instance types.');
  const byName = new Map<string, InstanceType>();
  for (const [index, raw] of json.entries()) {
    const type = instanceTypeOf(raw, index);
    const other = byName.get(type.name);
    if (!other || (!other.os.includes('linux') && type.os.includes('linux'))) byName.set(type.name, type);
  }
  if (byName.size === 0) throw new CatalogueError('The catalogue holds no instance type.');
  return { instanceTypes: [...byName.values()] };
};
