import type { MachineType } from '../catalogue/catalogue.ts';
import { processorOf } from '../catalogue/hardware.ts';
import { AwsError, invalidValue } from '../protocol/errors.ts';
import { text, texts } from '../protocol/form.ts';
import { pageOf, pageRequest } from '../protocol/paging.ts';
import type { Xml } from '../protocol/xml.ts';
import type { Ec2Action } from './action.ts';
import { type Attributes, applyFilters, filtersOf, withoutTags } from './filters.ts';

const yesNo = (value: boolean): readonly string[] => [String(value)];

const ATTRIBUTES: Attributes<MachineType> = {
  'instance-type': (each) => [each.name],
  'current-generation': (each) => yesNo(each.isCurrentGeneration),
  'bare-metal': (each) => yesNo(each.isBareMetal),
  'burstable-performance-supported': (each) => yesNo(each.isBurstable),
  'processor-info.supported-architecture': (each) => [each.architecture],
  'supported-virtualization-type': () => ['hvm'],
  'supported-usage-class': () => ['on-demand', 'spot'],
  hypervisor: (each) => [each.network.hypervisor],
  'vcpu-info.default-vcpus': (each) => [String(each.vcpus)],
  'memory-info.size-in-mib': (each) => [String(each.memoryMiB)],
  'instance-storage-supported': (each) => yesNo(each.localStorageGB !== undefined),
};

const threadsPerCore = (type: MachineType): number =>
  type.architecture === 'arm64' || type.vcpus === 1 ? 1 : 2;

const gpuInfo = ({ gpu }: MachineType): Xml =>
  gpu === undefined
    ? undefined
    : {
        gpus: [
          {
            name: gpu.name,
            manufacturer: gpu.manufacturer,
            count: gpu.count,
            memoryInfo: { sizeInMiB: gpu.memoryMiB },
          },
        ],
        totalGpuMemoryInMiB: gpu.memoryMiB * gpu.count,
      };

const storageInfo = ({ localStorageGB }: MachineType): Xml =>
  localStorageGB === undefined
    ? undefined
    : { totalSizeInGB: localStorageGB, nvmeSupport: 'required', encryptionSupport: 'required' };

const networkInfo = ({ network }: MachineType): Xml => ({
  networkPerformance: 'Up to 10 Gigabit',
  maximumNetworkInterfaces: network.interfaces,
  maximumNetworkCards: Math.max(1, network.cards.length),
  defaultNetworkCardIndex: network.defaultCard,
  networkCards: network.cards.map(({ index, interfaces }) => ({
    networkCardIndex: index,
    networkPerformance: 'Up to 10 Gigabit',
    maximumNetworkInterfaces: interfaces,
  })),
  ipv4AddressesPerInterface: network.addressesPerInterface,
  ipv6AddressesPerInterface: network.addressesPerInterface,
  ipv6Supported: true,
  enaSupport: 'required',
  efaSupported: false,
  encryptionInTransitSupported: false,
});

const describe = (type: MachineType): Xml => {
  const { manufacturer, sustainedGHz } = processorOf(type.family);
  return {
    instanceType: type.name,
    currentGeneration: type.isCurrentGeneration,
    freeTierEligible: false,
    supportedUsageClasses: ['on-demand', 'spot'],
    supportedRootDeviceTypes: ['ebs'],
    supportedVirtualizationTypes: ['hvm'],
    bareMetal: type.isBareMetal,
    hypervisor: type.isBareMetal ? undefined : type.network.hypervisor,
    processorInfo: {
      supportedArchitectures: [type.architecture],
      sustainedClockSpeedInGhz: sustainedGHz,
      manufacturer,
    },
    vCpuInfo: {
      defaultVCpus: type.vcpus,
      defaultCores: type.vcpus / threadsPerCore(type),
      defaultThreadsPerCore: threadsPerCore(type),
    },
    memoryInfo: { sizeInMiB: type.memoryMiB },
    instanceStorageSupported: type.localStorageGB !== undefined,
    instanceStorageInfo: storageInfo(type),
    ebsInfo: { ebsOptimizedSupport: 'default', encryptionSupport: 'supported', nvmeSupport: 'required' },
    networkInfo: networkInfo(type),
    gpuInfo: gpuInfo(type),
    placementGroupInfo: { supportedStrategies: ['cluster', 'partition', 'spread'] },
    hibernationSupported: false,
    burstablePerformanceSupported: type.isBurstable,
    dedicatedHostsSupported: !type.isBurstable,
    autoRecoverySupported: true,
  };
};

export const describeInstanceTypes: Ec2Action = (form, region) => {
  const request = pageRequest(form);
  const names = texts(form, 'InstanceType');
  if (names.length > 0 && request.maxResults !== undefined)
    throw new AwsError(
      'InvalidParameterCombination',
      'The parameter InstanceTypes cannot be used with the parameter MaxResults',
    );
  const unknown = names.filter((name) => !region.types.has(name));
  if (unknown.length > 0)
    throw new AwsError(
      'InvalidInstanceType',
      `The following supplied instance types do not exist: [${unknown.join(', ')}]`,
    );
  const asked = [...region.types.values()].filter(({ name }) => names.length === 0 || names.includes(name));
  const found = applyFilters(asked, filtersOf(form), ATTRIBUTES, withoutTags);
  const { items, nextToken } = pageOf(found, (each) => each.name, request, 100);
  return { instanceTypeSet: items.map(describe), nextToken };
};

interface TypeOffering {
  readonly type: string;
  readonly location: string;
}

export const describeInstanceTypeOfferings: Ec2Action = (form, region) => {
  const locationType = text(form, 'LocationType') ?? 'region';
  const locationsOf = (type: MachineType): readonly string[] => {
    if (locationType === 'availability-zone') return type.zones;
    if (locationType === 'region') return [region.name];
    throw invalidValue('LocationType', locationType);
  };
  const all: readonly TypeOffering[] = [...region.types.values()].flatMap((type) =>
    locationsOf(type).map((location) => ({ type: type.name, location })),
  );
  const attributes: Attributes<TypeOffering> = {
    'instance-type': (each) => [each.type],
    location: (each) => [each.location],
  };
  const found = applyFilters(all, filtersOf(form), attributes, withoutTags);
  const page = pageOf(found, ({ type, location }) => `${type}/${location}`, pageRequest(form), 1000);
  return {
    instanceTypeOfferingSet: page.items.map(({ type, location }) => ({
      instanceType: type,
      locationType,
      location,
    })),
    nextToken: page.nextToken,
  };
};
