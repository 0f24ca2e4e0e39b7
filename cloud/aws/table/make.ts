import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { valueAt } from '../../../api/records/valueat.ts';
import type { Header, Row } from './row.ts';

/**
 * Makes listprices.jsonl from two public Go modules: sizes and prices from the data of ec2instances.info; network limits,
 * and newer on-demand prices of some regions, from Karpenter's. Run it with `make prices`; it needs Go.
 */

const PRICES = 'github.com/cristim/ec2-instances-info@v0.0.0-20250528091325-32acf84f42eb';
const PRICES_DATE = '2025-05-28';
const KARPENTER = 'github.com/aws/karpenter-provider-aws@v1.14.0';
const TABLE = join(import.meta.dirname, 'listprices.jsonl');
/** Regions proper; local zones and Wavelength zones have names with more parts. */
const REGION = /^[a-z]{2}(-gov)?-[a-z]+-\d$/;

interface Linux {
  readonly ondemand?: string;
  readonly spot_avg?: string;
}

interface Instance {
  readonly instance_type: string;
  readonly arch: readonly string[];
  readonly vCPU: number;
  readonly memory: number;
  readonly GPU: number;
  readonly GPU_model: string | null;
  readonly GPU_memory: number;
  readonly physical_processor: string | null;
  readonly storage: { readonly devices: number; readonly size: number; readonly nvme_ssd: boolean } | null;
  readonly ebs_max_bandwidth: number;
  readonly availability_zones?: Readonly<Record<string, readonly string[]>>;
  readonly pricing: Readonly<Record<string, { readonly linux?: Linux }>>;
}

interface Limits {
  readonly interfaces: number;
  readonly addresses: number;
  readonly hypervisor: string;
  readonly isMetal: boolean;
}

const folderOf = (module: string): string =>
  (
    JSON.parse(execFileSync('go', ['mod', 'download', '-json', module], { encoding: 'utf8' })) as {
      Dir: string;
    }
  ).Dir;

const numberIn = (text: string, field: string): number =>
  Number(new RegExp(`\\b${field}:\\s*(\\d+)`).exec(text)?.[1] ?? 0);

/** The first network card's interfaces are what Karpenter counts pods by. */
const readLimits = (): ReadonlyMap<string, Limits> => {
  const file = join(folderOf(KARPENTER), 'pkg/providers/instancetype/zz_generated.vpclimits.go');
  const entries = readFileSync(file, 'utf8').matchAll(/^\t"([^"]+)": \{\n([\s\S]*?)^\t\},/gm);
  return new Map(
    [...entries].map(([, name = '', text = '']) => [
      name,
      {
        interfaces: numberIn(text, 'MaximumNetworkInterfaces') || numberIn(text, 'Interface'),
        addresses: numberIn(text, 'IPv4PerInterface'),
        hypervisor: /Hypervisor:\s*"([^"]*)"/.exec(text)?.[1] ?? '',
        isMetal: /IsBareMetal:\s*true/.test(text),
      },
    ]),
  );
};

interface NewerPrices {
  readonly date: string;
  readonly byType: ReadonlyMap<string, number>;
}

/** Karpenter's own fallback prices, by region. */
const readNewerPrices = (): ReadonlyMap<string, NewerPrices> => {
  const folder = join(folderOf(KARPENTER), 'pkg/providers/pricing');
  const found = ['aws', 'aws_us_gov'].flatMap((part) => {
    const text = readFileSync(join(folder, `zz_generated.pricing_${part}.go`), 'utf8');
    const date = /generated at (\d{4}-\d\d-\d\d)T/.exec(text)?.[1] ?? '';
    return [...text.matchAll(/^\t"([a-z0-9-]+)": \{\n([\s\S]*?)^\t\},/gm)].map(
      ([, region = '', prices = '']): [string, NewerPrices] => [
        region,
        {
          date,
          byType: new Map(
            [...prices.matchAll(/"([^"]+)": ([\d.]+)/g)].map(([, type = '', price]) => [type, Number(price)]),
          ),
        },
      ],
    );
  });
  return new Map(found.filter(([, { date }]) => date > PRICES_DATE));
};

const archOf = ({ arch }: Instance): Row['arch'] | undefined => {
  if (arch.includes('x86_64')) return 'amd64';
  return arch.includes('arm64') ? 'arm64' : undefined;
};

const makerOf = ({ physical_processor: text }: Instance): string | undefined =>
  ['intel', 'amd', 'aws'].find((maker) => text?.toLowerCase().includes(maker));

const priceOf = (text: string | number | undefined): number | null => {
  const price = Number(text);
  return price > 0 ? Number(price.toFixed(4)) : null;
};

/** The data has the on-demand price where it knows no spot price. */
const spotOf = (prices: Linux | undefined): number | null =>
  priceOf(prices?.spot_avg) === priceOf(prices?.ondemand) ? null : priceOf(prices?.spot_avg);

const acceleratorOf = (one: Instance): Pick<Row, 'gpu' | 'neurons'> => {
  if (one.GPU === 0 || !one.GPU_model) return {};
  const [maker = '', ...model] = one.GPU_model.split(' ');
  if (maker === 'AWS') return { neurons: one.GPU };
  return {
    gpu: { count: one.GPU, maker, model: model.join(' '), memoryMiB: (one.GPU_memory * 1024) / one.GPU },
  };
};

const rowOf = (
  one: Instance,
  limits: Limits,
  regions: readonly string[],
  newer: ReadonlyMap<string, NewerPrices>,
): Row | undefined => {
  const arch = archOf(one);
  const maker = makerOf(one);
  if (!arch) return undefined;
  const linux = regions.map((region) => valueAt(one.pricing, region)?.linux);
  const nvme = one.storage?.nvme_ssd ? one.storage.devices * one.storage.size : 0;
  return {
    name: one.instance_type,
    arch,
    vcpus: one.vCPU,
    memoryMiB: Math.round(one.memory * 1024),
    interfaces: limits.interfaces,
    addresses: limits.addresses,
    ...(limits.hypervisor && { hypervisor: limits.hypervisor }),
    ...(limits.isMetal && { isMetal: true }),
    ...(maker && { maker }),
    ...(nvme > 0 && { nvmeGB: nvme }),
    ...(one.ebs_max_bandwidth > 0 && { ebsMbps: one.ebs_max_bandwidth }),
    ...acceleratorOf(one),
    onDemand: regions.map((region, at) =>
      priceOf(newer.get(region)?.byType.get(one.instance_type) ?? linux[at]?.ondemand),
    ),
    spot: linux.map(spotOf),
    zones: regions.map((region) =>
      (valueAt(one.availability_zones, region) ?? []).map((zoneId) => zoneId.split('-az')[1] ?? '').join(''),
    ),
  };
};

const instances = JSON.parse(
  readFileSync(join(folderOf(PRICES), 'data/instances.json'), 'utf8'),
) as Instance[];
const limits = readLimits();
const newer = readNewerPrices();
const regions = [...new Set(instances.flatMap(({ pricing }) => Object.keys(pricing)))]
  .filter((name) => REGION.test(name))
  .sort();
const rows = instances
  .flatMap((one) => {
    const known = limits.get(one.instance_type);
    return known ? (rowOf(one, known, regions, newer) ?? []) : [];
  })
  .filter(({ onDemand }) => onDemand.some((price) => price !== null))
  .sort((a, b) => (a.name < b.name ? -1 : 1));
const header: Header = {
  date: PRICES_DATE,
  dates: regions.map((region) => newer.get(region)?.date ?? PRICES_DATE),
  sources: [PRICES, KARPENTER],
  regions,
};
writeFileSync(TABLE, [header, ...rows].map((line) => `${JSON.stringify(line)}\n`).join(''));
