import { readFileSync } from 'node:fs';
import { type Gpu, gpuOf, HAS_OTHER_ACCELERATORS, localStorageGBOf } from './hardware.ts';
import type { CatalogueFiles } from './locate.ts';
import { type NetworkLimits, parseNetworkLimits } from './networklimits.ts';

export type Architecture = 'x86_64' | 'arm64';
export type CapacityType = 'on-demand' | 'spot';

/** One instance type as EC2 describes it. Prices in USD per hour. */
export interface MachineType {
  readonly name: string;
  readonly family: string;
  readonly architecture: Architecture;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly onDemandPrice: number;
  /** Zones, by full name, that offer the type. */
  readonly zones: readonly string[];
  readonly network: NetworkLimits;
  readonly isBareMetal: boolean;
  readonly isCurrentGeneration: boolean;
  readonly isBurstable: boolean;
  readonly localStorageGB: number | undefined;
  readonly gpu: Gpu | undefined;
}

interface CatalogueEntry {
  readonly name: string;
  readonly architecture: string;
  readonly operatingSystems: readonly string[];
  readonly resources: { readonly cpu: string; readonly memory: string };
  readonly offerings: readonly {
    readonly Price: number;
    readonly Requirements: readonly { readonly key: string; readonly values: readonly string[] }[];
  }[];
}

const PREVIOUS_GENERATION = new Set(['c1', 'c3', 'i2', 'm1', 'm2', 'm3', 'r3', 't1']);

const MIB: Readonly<Record<string, number>> = { Mi: 1, Gi: 1024, Ti: 1024 * 1024 };

const toMiB = (quantity: string): number => {
  const [, digits, unit] = /^(\d+)([MGT]i)?$/.exec(quantity) ?? [];
  if (digits === undefined) throw new Error(`memory of an instance type is not understood: ${quantity}`);
  return unit === undefined ? Number(digits) / 2 ** 20 : Number(digits) * (MIB[unit] ?? 0);
};

const requirementOf = (offering: CatalogueEntry['offerings'][number], key: string): string | undefined =>
  offering.Requirements.find((each) => each.key === key)?.values[0];

const typeOf = (
  entry: CatalogueEntry,
  limits: ReadonlyMap<string, NetworkLimits>,
  zones: readonly string[],
): MachineType | undefined => {
  const { architecture, name } = entry;
  const network = limits.get(name);
  const family = name.split('.')[0] ?? name;
  if (architecture !== 'x86_64' && architecture !== 'arm64') return undefined;
  if (network === undefined || HAS_OTHER_ACCELERATORS.test(family)) return undefined;
  const memoryMiB = toMiB(entry.resources.memory);
  const onDemand = entry.offerings.filter(
    (each) => requirementOf(each, 'karpenter.sh/capacity-type') === 'on-demand',
  );
  const onDemandPrice = onDemand[0]?.Price;
  // Types of less than 1 GiB are rounded to nothing in the catalogue; none of them runs a node.
  if (memoryMiB === 0 || onDemandPrice === undefined) return undefined;
  return {
    name,
    family,
    architecture,
    vcpus: Number(entry.resources.cpu),
    memoryMiB,
    onDemandPrice,
    zones: zones.filter((zone) =>
      onDemand.some((each) => requirementOf(each, 'topology.kubernetes.io/zone') === zone),
    ),
    network,
    isBareMetal: network.isBareMetal,
    isCurrentGeneration: !PREVIOUS_GENERATION.has(family),
    isBurstable: /^t\d/.test(family),
    localStorageGB: localStorageGBOf(name, Number(entry.resources.cpu)),
    gpu: gpuOf(name),
  };
};

/**
 * The instance types that the endpoint offers in these zones, by name: the Linux ones of Karpenter's catalogue.
 * Throws when a file is missing or not of the known format.
 */
export const readCatalogue = (
  files: CatalogueFiles,
  zones: readonly string[],
): ReadonlyMap<string, MachineType> => {
  const limits = parseNetworkLimits(readFileSync(files.networkLimits, 'utf8'));
  const entries = JSON.parse(readFileSync(files.types, 'utf8')) as CatalogueEntry[];
  const types = new Map<string, MachineType>();
  for (const entry of entries) {
    if (!entry.operatingSystems.includes('linux') || types.has(entry.name)) continue;
    const type = typeOf(entry, limits, zones);
    if (type !== undefined && type.zones.length > 0) types.set(type.name, type);
  }
  return types;
};

/**
 * Pods that a node of this type takes with the VPC CNI's default settings: an address each on its interfaces,
 * and two pods on the host's network.
 * Source: https://github.com/awslabs/amazon-eks-ami, eni-max-pods.txt
 */
export const maxPodsOf = (type: MachineType): number => {
  const interfaces = type.network.cards[type.network.defaultCard]?.interfaces ?? type.network.interfaces;
  return interfaces * (type.network.addressesPerInterface - 1) + 2;
};
