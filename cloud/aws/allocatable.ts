import type { Amounts } from '../../planner/model/catalogue.ts';

/**
 * Capacity and overhead of an EKS node with AL2023, as Karpenter's AWS provider computes them
 * (karpenter-provider-aws, pkg/providers/instancetype/types.go). CPU in millicores, memory and storage in bytes.
 */

/** The hypervisor's share of memory that Karpenter assumes (VM_MEMORY_OVERHEAD_PERCENT). */
export const VM_MEMORY_OVERHEAD = 0.075;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const ROOT_VOLUME = 20 * GIB;
const EVICTION_MEMORY = 100 * MIB;
const KUBE_RESERVED_STORAGE = GIB;
const EVICTION_STORAGE_SHARE = 0.1;

/** Share reserved per bracket of cores: 6 % of the first, 1 % of the second, 0.5 % of the next two, 0.25 % beyond. */
const CPU_BRACKETS = [
  { from: 0, to: 1000, share: 0.06 },
  { from: 1000, to: 2000, share: 0.01 },
  { from: 2000, to: 4000, share: 0.005 },
  { from: 4000, to: Number.POSITIVE_INFINITY, share: 0.0025 },
] as const;

/** EC2's data of an instance type. `devices` counts extended resources by name. */
export interface Hardware {
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly networkInterfaces: number;
  readonly addressesPerInterface: number;
  readonly devices: Readonly<Record<string, number>>;
}

/** Pods with an address of their own, plus two on the host network. */
export const maxPods = (interfaces: number, addresses: number): number => interfaces * (addresses - 1) + 2;

/** Millicores reserved for the kubelet and the system. */
export const reservedCpu = (millicores: number): number =>
  CPU_BRACKETS.reduce(
    (sum, { from, to, share }) =>
      millicores > from ? sum + Math.trunc((Math.min(millicores, to) - from) * share) : sum,
    0,
  );

/** Bytes of memory that the guest sees; `overhead` is the hypervisor's share, from 0 to 1. */
export const guestMemory = (memoryMiB: number, overhead: number): number =>
  (memoryMiB - Math.ceil(memoryMiB * overhead)) * MIB;

export const capacityOf = (hardware: Hardware, vmMemoryOverhead: number): Amounts => ({
  cpu: hardware.vcpus * 1000,
  memory: guestMemory(hardware.memoryMiB, vmMemoryOverhead),
  pods: maxPods(hardware.networkInterfaces, hardware.addressesPerInterface),
  ephemeralStorage: ROOT_VOLUME,
  other: hardware.devices,
});

export const overheadOf = (capacity: Amounts): Amounts => ({
  cpu: reservedCpu(capacity.cpu),
  memory: (11 * capacity.pods + 255) * MIB + EVICTION_MEMORY,
  pods: 0,
  ephemeralStorage: KUBE_RESERVED_STORAGE + Math.ceil(capacity.ephemeralStorage * EVICTION_STORAGE_SHARE),
  other: {},
});
