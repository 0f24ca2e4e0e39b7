import type { NodeClassObject } from '../../../api/objects.ts';
import { bytes, QuantityError } from '../../../api/quantity.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { InstanceType } from '../catalogue.ts';
import { isAbsentByName } from '../machinelabels.ts';

/** Disks of AWS' machines as Karpenter's provider counts them: pkg/providers/instancetype/types.go and amifamily. */

const GIB = 1024 ** 3;
const GB = 1000 ** 3;
const RESOURCE = 'ephemeral-storage';
const DEFAULT_VOLUME = 20 * GIB;
const AUTO_MODE_VOLUME = 80 * GIB;
const KUBE_RESERVED = GIB;
const EVICTION_SHARE = 0.1;
const LOCAL_NVME = 'karpenter.k8s.aws/instance-local-nvme';

/** An AMI family's disk for pods. */
interface PodDisk {
  readonly device: string;
  readonly size: number;
}

const XVDA: PodDisk = { device: '/dev/xvda', size: DEFAULT_VOLUME };
const DISKS: Readonly<Record<string, PodDisk>> = {
  al2: XVDA,
  al2023: XVDA,
  bottlerocket: { device: '/dev/xvdb', size: DEFAULT_VOLUME },
  windows2019: { device: '/dev/sda1', size: 50 * GIB },
  windows2022: { device: '/dev/sda1', size: 50 * GIB },
  windows2025: { device: '/dev/sda1', size: 50 * GIB },
};

/** The family's name in small letters, as aliases have it: al2023, bottlerocket, windows2022; custom where none is named. */
export const familyOf = ({ spec }: NodeClassObject): string => {
  const alias = spec?.amiSelectorTerms?.find((term) => term.alias !== undefined)?.alias;
  return (spec?.amiFamily ?? alias?.split('@')[0] ?? 'custom').toLowerCase();
};

/** Bytes; undefined for what is not a quantity. */
const sizeOf = (quantity: string | undefined): number | undefined => {
  if (quantity === undefined) return undefined;
  try {
    return bytes(quantity);
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    return undefined;
  }
};

const volumeOf = (nodeClass: NodeClassObject): number => {
  const mappings = nodeClass.spec?.blockDeviceMappings ?? [];
  const root = sizeOf(mappings.find(({ rootVolume }) => rootVolume)?.ebs?.volumeSize);
  if (root !== undefined) return root;
  const disk = valueAt(DISKS, familyOf(nodeClass));
  // An image of one's own may use any device: Karpenter takes the last one that is mapped.
  const mapping = disk ? mappings.find(({ deviceName }) => deviceName === disk.device) : mappings.at(-1);
  return sizeOf(mapping?.ebs?.volumeSize) ?? disk?.size ?? DEFAULT_VOLUME;
};

/** Bytes of the disks in the machine; undefined where it has none, or nobody says. */
const instanceStoreOf = ({ labels }: InstanceType): number | undefined => {
  const gigabytes = Number(valueAt(labels, LOCAL_NVME));
  return gigabytes > 0 ? gigabytes * GB : undefined;
};

const capacityOf = (type: InstanceType, nodeClass: NodeClassObject): number | undefined => {
  switch (nodeClass.kind) {
    case 'EC2NodeClass': {
      const isRaid = nodeClass.spec?.instanceStorePolicy === 'RAID0';
      return (isRaid ? instanceStoreOf(type) : undefined) ?? volumeOf(nodeClass);
    }
    case 'NodeClass':
      return sizeOf(nodeClass.spec?.ephemeralStorage?.size) ?? AUTO_MODE_VOLUME;
    default:
      return undefined;
  }
};

/** Whether a NodeClass tells the disk of a type: not where disks in the machine are put together that nobody lists. */
export const isStorageKnown = (type: InstanceType, nodeClass: NodeClassObject): boolean =>
  capacityOf(type, nodeClass) !== undefined &&
  (nodeClass.spec?.instanceStorePolicy !== 'RAID0' ||
    instanceStoreOf(type) !== undefined ||
    isAbsentByName(type.name, LOCAL_NVME));

/** What the kubelet keeps free before it evicts: a share of what there is, or an amount; `byDefault` for neither. */
export const keptFree = (threshold: string | undefined, capacity: number, byDefault: number): number => {
  if (threshold?.endsWith('%')) {
    const percent = Number(threshold.slice(0, -1));
    // 100 % turns the threshold off.
    if (percent >= 0 && percent <= 100) return percent === 100 ? 0 : Math.ceil((capacity * percent) / 100);
  }
  return sizeOf(threshold) ?? byDefault;
};

/** The type with the disk for pods that machines of a NodeClass have. */
export const withNodeStorage = (type: InstanceType, nodeClass: NodeClassObject | undefined): InstanceType => {
  const capacity = nodeClass && capacityOf(type, nodeClass);
  if (capacity === undefined) return type;
  const { kubeReserved, systemReserved, evictionHard } = nodeClass?.spec?.kubelet ?? {};
  const overhead =
    (sizeOf(valueAt(kubeReserved, RESOURCE)) ?? KUBE_RESERVED) +
    (sizeOf(valueAt(systemReserved, RESOURCE)) ?? 0) +
    keptFree(valueAt(evictionHard, 'nodefs.available'), capacity, Math.ceil(capacity * EVICTION_SHARE));
  return {
    ...type,
    capacity: { ...type.capacity, ephemeralStorage: capacity },
    overhead: { ...type.overhead, ephemeralStorage: Math.min(capacity, overhead) },
  };
};
