import type { InstanceView } from '../aws/control/types.ts';
import { type NodeSettings, parseUserData, type Taint } from './userdata.ts';

type ResourceList = Readonly<Record<string, string>>;

/** The machine's description, which the program `machine` reads. */
export interface MachineSpec {
  readonly name: string;
  readonly providerID: string;
  readonly kubeconfig: string;
  readonly folder: string;
  readonly address: string;
  readonly port: number;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly storageBytes: number;
  readonly maxPods: number;
  readonly reserved: readonly ResourceList[];
  readonly devices: ResourceList;
  readonly devicesAfterSeconds: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
}

/** Another port than the usual one, which the real node's kubelet has on all addresses. */
const KUBELET_PORT = 20_250;

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/**
 * CPU that nodeadm reserves for the system, in millicores: 6 % of the first core, 1 % of the second, 0.5 % of the next
 * two, 0.25 % of the rest. Source:
 * https://github.com/awslabs/amazon-eks-ami/blob/main/nodeadm/internal/kubelet/config.go
 */
export const reservedMillicores = (cores: number): number => {
  const shares = [60, 10, 5, 5];
  const first = shares.slice(0, cores).reduce((sum, each) => sum + each, 0);
  return Math.floor(first + Math.max(0, cores - shares.length) * 2.5);
};

/** Memory that nodeadm reserves, in MiB: it grows with the addresses of the machine's interfaces. */
export const reservedMiB = (maxPodsOfType: number): number => 11 * maxPodsOfType + 255;

// The kubelet's eviction thresholds as nodeadm sets them.
const EVICTION_HARD: ResourceList = { 'memory.available': '100Mi', 'nodefs.available': '10%' };

const thresholdOf = (value: string | undefined, capacity: number): string => {
  if (value === undefined) return '0';
  return value.endsWith('%') ? String(Math.ceil((capacity * Number.parseFloat(value)) / 100)) : value;
};

const reservedOf = (
  instance: InstanceView,
  settings: NodeSettings,
  size: { readonly memoryBytes: number; readonly storageBytes: number },
): readonly ResourceList[] => {
  const eviction = { ...EVICTION_HARD, ...settings.evictionHard };
  return [
    {
      cpu: `${reservedMillicores(instance.vcpus)}m`,
      memory: `${reservedMiB(instance.maxPods)}Mi`,
      'ephemeral-storage': '1Gi',
      ...settings.kubeReserved,
    },
    settings.systemReserved,
    {
      memory: thresholdOf(eviction['memory.available'], size.memoryBytes),
      'ephemeral-storage': thresholdOf(eviction['nodefs.available'], size.storageBytes),
    },
  ];
};

export interface MachinePlace {
  readonly folder: string;
  /** Share of the type's memory that firmware and kernel take before the kubelet sees it. */
  readonly memoryOverhead: number;
}

/**
 * An instance's machine as its kubelet sees it, from its type and its user data. Throws when the user data cannot be
 * read; such a machine never joins.
 */
export const machineSpecOf = (instance: InstanceView, place: MachinePlace): MachineSpec => {
  const settings = parseUserData(instance.userData);
  const memoryBytes = Math.floor(instance.memoryMiB * (1 - place.memoryOverhead)) * MIB;
  const storageBytes = instance.rootVolumeGiB * GIB;
  return {
    name: instance.name,
    providerID: `aws:///${instance.zone}/${instance.id}`,
    kubeconfig: `${place.folder}/kubeconfig`,
    folder: place.folder,
    address: instance.privateIp,
    port: KUBELET_PORT,
    cores: instance.vcpus,
    memoryBytes,
    storageBytes,
    maxPods: settings.maxPods ?? instance.maxPods,
    reserved: reservedOf(instance, settings, { memoryBytes, storageBytes }),
    devices: Object.fromEntries(
      Object.entries(instance.devices).map(([name, count]) => [name, String(count)]),
    ),
    devicesAfterSeconds: Math.round(instance.devicesDelayMs / 1000),
    // The kubelet takes its architecture from its own build; a Graviton machine's has to be set.
    labels: {
      ...settings.labels,
      ...(instance.architecture === 'arm64' ? { 'kubernetes.io/arch': 'arm64' } : {}),
    },
    taints: settings.taints,
  };
};
