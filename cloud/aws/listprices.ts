import { readFileSync } from 'node:fs';
import type { _InstanceType, InstanceTypeInfo, UsageClassType } from '@aws-sdk/client-ec2';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { type AwsFacts, buildCatalogue } from './catalogue.ts';
import type { Header, Row } from './table/row.ts';
import { type UnpricedType, unpricedType } from './unpricedtype.ts';

/** Days on which the prices of the table were true, ISO. */
interface PriceDates {
  readonly onDemandDate: string;
  readonly spotDate: string;
}

/** Instance types and prices of a region from the table that comes with us, for those who can't ask AWS. */
export interface ListPrices extends PriceDates {
  readonly catalogue: Catalogue;
}

/** The same in parts, as AWS tells them. */
export interface ListedFacts extends PriceDates {
  readonly facts: AwsFacts;
}

/** Zones by name, with their ids where they are known. */
export type KnownZones = ReadonlyMap<string, string | undefined>;

const TABLE = new URL('./table/listprices.jsonl', import.meta.url);

interface Table {
  readonly header: Header;
  readonly rows: readonly Row[];
}

const readTable = (): Table => {
  const [first = '', ...lines] = readFileSync(TABLE, 'utf8').trimEnd().split('\n');
  return { header: JSON.parse(first) as Header, rows: lines.map((line) => JSON.parse(line) as Row) };
};

const usageClassesOf = (row: Row, at: number): UsageClassType[] => [
  ...(row.onDemand[at] ? (['on-demand'] as const) : []),
  ...(row.spot[at] ? (['spot'] as const) : []),
];

/** The row as EC2 would describe the type. */
const describe = (row: Row, at: number): InstanceTypeInfo => ({
  InstanceType: row.name as _InstanceType,
  BareMetal: row.isMetal ?? false,
  SupportedUsageClasses: usageClassesOf(row, at),
  ProcessorInfo: {
    SupportedArchitectures: [row.arch === 'amd64' ? 'x86_64' : 'arm64'],
    ...(row.maker && { Manufacturer: row.maker }),
  },
  VCpuInfo: { DefaultVCpus: row.vcpus },
  MemoryInfo: { SizeInMiB: row.memoryMiB },
  NetworkInfo: { MaximumNetworkInterfaces: row.interfaces, Ipv4AddressesPerInterface: row.addresses },
  ...(row.hypervisor === 'nitro' || row.hypervisor === 'xen' ? { Hypervisor: row.hypervisor } : {}),
  ...(row.nvmeGB !== undefined && { InstanceStorageInfo: { TotalSizeInGB: row.nvmeGB } }),
  ...(row.ebsMbps !== undefined && {
    EbsInfo: { EbsOptimizedInfo: { MaximumBandwidthInMbps: row.ebsMbps } },
  }),
  ...(row.gpu && {
    GpuInfo: {
      Gpus: [
        {
          Name: row.gpu.model,
          Manufacturer: row.gpu.maker,
          Count: row.gpu.count,
          MemoryInfo: { SizeInMiB: row.gpu.memoryMiB },
        },
      ],
    },
  }),
  ...(row.neurons !== undefined && { NeuronInfo: { NeuronDevices: [{ Count: row.neurons }] } }),
});

/** Zones that sell a type: those whose id the table has, and those whose id, or whose region's ids, nobody knows. */
const zonesOf = (row: Row, at: number, zones: KnownZones): readonly string[] => {
  const sold = row.zones[at] ?? '';
  return [...zones].flatMap(([zone, id]) => {
    const number = id?.split('-az')[1];
    return sold === '' || number === undefined || sold.includes(number) ? [zone] : [];
  });
};

/**
 * What the table tells of a region, in the zones given. undefined for a region that the table does not have;
 * `vmMemoryOverhead` is the hypervisor's share of memory, from 0 to 1.
 */
export const listedFactsOf = (
  region: string,
  zones: KnownZones,
  vmMemoryOverhead: number,
): ListedFacts | undefined => {
  const { header, rows } = readTable();
  const at = header.regions.indexOf(region);
  if (at < 0) return undefined;
  const types: UnpricedType[] = [];
  const sold = new Map<string, readonly string[]>();
  const onDemand = new Map<string, number>();
  const spot = new Map<string, number>();
  for (const row of rows) {
    const type = unpricedType(describe(row, at), region, vmMemoryOverhead);
    if (!type) continue;
    const places = zonesOf(row, at, zones);
    types.push(type);
    sold.set(row.name, places);
    const price = row.onDemand[at];
    if (price) onDemand.set(row.name, price);
    for (const zone of places) {
      const mean = row.spot[at];
      if (mean) spot.set(`${row.name}/${zone}`, mean);
    }
  }
  const zoneIds = new Map(
    [...zones].flatMap(([zone, id]) => (id === undefined ? [] : [[zone, id] as const])),
  );
  return {
    facts: { types, zones: sold, zoneIds, onDemand, spot },
    onDemandDate: header.dates[at] ?? header.date,
    spotDate: header.date,
  };
};

/** List prices of a region's instance types in the zones given; as `listedFactsOf`. */
export const listPricesOf = (
  region: string,
  zones: KnownZones,
  vmMemoryOverhead: number,
): ListPrices | undefined => {
  const listed = listedFactsOf(region, zones, vmMemoryOverhead);
  if (!listed) return undefined;
  const { facts, ...dates } = listed;
  return { ...dates, catalogue: buildCatalogue(facts) };
};

/** The regions that the table has. */
export const listedRegions = (): readonly string[] => readTable().header.regions;
