import type { InstanceTypeInfo } from '@aws-sdk/client-ec2';
import { ARCH, INSTANCE_TYPE, OS, REGION } from '../../api/labels.ts';
import type { InstanceType } from '../../planner/model/catalogue.ts';
import { AWS_PREFIXES } from '../../planner/model/machinelabels.ts';
import { capacityOf, type Hardware, overheadOf } from './allocatable.ts';

/** An instance type without its prices. */
export type UnpricedType = Omit<InstanceType, 'offerings'> & { readonly usageClasses: readonly string[] };

const NAME = /^([a-z]+)(\d+)([a-z0-9-]*)\.(.+)$/;
const AWS = 'karpenter.k8s.aws';

const hardwareOf = (info: InstanceTypeInfo): Hardware => {
  const gpus = info.GpuInfo?.Gpus ?? [];
  const nvidia = gpus.filter((g) => g.Manufacturer === 'NVIDIA').reduce((n, g) => n + (g.Count ?? 0), 0);
  const neurons = info.NeuronInfo?.NeuronDevices?.reduce((n, d) => n + (d.Count ?? 0), 0) ?? 0;
  const card = info.NetworkInfo?.NetworkCards?.find(
    (c) => c.NetworkCardIndex === (info.NetworkInfo?.DefaultNetworkCardIndex ?? 0),
  );
  return {
    vcpus: info.VCpuInfo?.DefaultVCpus ?? 0,
    memoryMiB: info.MemoryInfo?.SizeInMiB ?? 0,
    networkInterfaces: card?.MaximumNetworkInterfaces ?? info.NetworkInfo?.MaximumNetworkInterfaces ?? 0,
    addressesPerInterface: info.NetworkInfo?.Ipv4AddressesPerInterface ?? 0,
    devices: {
      ...(nvidia > 0 && { 'nvidia.com/gpu': nvidia }),
      ...(neurons > 0 && { 'aws.amazon.com/neuron': neurons }),
    },
  };
};

const archOf = (info: InstanceTypeInfo): string | undefined => {
  const known = info.ProcessorInfo?.SupportedArchitectures ?? [];
  if (known.includes('x86_64')) return 'amd64';
  return known.includes('arm64') ? 'arm64' : undefined;
};

/** The labels that Karpenter's AWS provider gives to nodes of a type. */
const labelsOf = (info: InstanceTypeInfo, arch: string, region: string): Readonly<Record<string, string>> => {
  const name = info.InstanceType ?? '';
  const [, category, generation, suffix, size] = NAME.exec(name) ?? [];
  const gpu = info.GpuInfo?.Gpus?.[0];
  const nvme = info.InstanceStorageInfo?.TotalSizeInGB;
  const clock = info.ProcessorInfo?.SustainedClockSpeedInGhz;
  const encrypts = info.NetworkInfo?.EncryptionInTransitSupported;
  const ebs = info.EbsInfo?.EbsOptimizedInfo?.MaximumBandwidthInMbps;
  return {
    [INSTANCE_TYPE]: name,
    [ARCH]: arch,
    [OS]: 'linux',
    [REGION]: region,
    ...(category !== undefined && {
      [`${AWS}/instance-category`]: category,
      [`${AWS}/instance-family`]: `${category}${generation}${suffix}`,
      [`${AWS}/instance-generation`]: generation ?? '',
      [`${AWS}/instance-size`]: size ?? '',
    }),
    [`${AWS}/instance-cpu`]: String(info.VCpuInfo?.DefaultVCpus ?? 0),
    [`${AWS}/instance-memory`]: String(info.MemoryInfo?.SizeInMiB ?? 0),
    ...(info.Hypervisor !== undefined && { [`${AWS}/instance-hypervisor`]: info.Hypervisor }),
    ...(encrypts !== undefined && { [`${AWS}/instance-encryption-in-transit-supported`]: String(encrypts) }),
    ...(info.ProcessorInfo?.Manufacturer && {
      [`${AWS}/instance-cpu-manufacturer`]: info.ProcessorInfo.Manufacturer.toLowerCase(),
    }),
    [`${AWS}/instance-capability-flex`]: String(suffix?.includes('flex') ?? false),
    [`${AWS}/instance-tenancy`]: 'default',
    ...(clock !== undefined && {
      [`${AWS}/instance-cpu-sustained-clock-speed-mhz`]: String(Math.round(clock * 1000)),
    }),
    ...(ebs !== undefined && { [`${AWS}/instance-ebs-bandwidth`]: String(ebs) }),
    ...(nvme !== undefined && { [`${AWS}/instance-local-nvme`]: String(nvme) }),
    ...(gpu && {
      [`${AWS}/instance-gpu-name`]: (gpu.Name ?? '').toLowerCase().replaceAll(' ', '-'),
      [`${AWS}/instance-gpu-manufacturer`]: (gpu.Manufacturer ?? '').toLowerCase(),
      [`${AWS}/instance-gpu-count`]: String(gpu.Count ?? 0),
      [`${AWS}/instance-gpu-memory`]: String(gpu.MemoryInfo?.SizeInMiB ?? 0),
    }),
  };
};

/** The labels with their twins under the prefix of EKS Auto Mode. */
const underAllPrefixes = (labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(labels).flatMap(([key, value]) =>
      key.startsWith(`${AWS}/`)
        ? AWS_PREFIXES.map((prefix) => [`${prefix}${key.slice(AWS.length + 1)}`, value] as const)
        : [[key, value] as const],
    ),
  );

/** An instance type in the planner's form; undefined for one that can't run a Linux node. */
export const unpricedType = (
  info: InstanceTypeInfo,
  region: string,
  vmMemoryOverhead: number,
): UnpricedType | undefined => {
  const arch = archOf(info);
  const hardware = hardwareOf(info);
  const isVirtual = info.SupportedVirtualizationTypes?.includes('hvm') ?? true;
  if (!info.InstanceType || !arch || !isVirtual || hardware.vcpus === 0 || hardware.memoryMiB === 0) {
    return undefined;
  }
  const capacity = capacityOf(hardware, info.BareMetal ? 0 : vmMemoryOverhead);
  return {
    name: info.InstanceType,
    arch,
    os: ['linux'],
    labels: underAllPrefixes(labelsOf(info, arch, region)),
    capacity,
    overhead: overheadOf(capacity),
    usageClasses: info.SupportedUsageClasses ?? ['on-demand'],
  };
};
