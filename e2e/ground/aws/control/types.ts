import type { CapacityType } from '../catalogue/catalogue.ts';
import type { FaultSettings } from '../faults.ts';
import type { InstanceState } from '../state/instances.ts';

/** An instance as the control port reports it: what EC2 says, and what only the machine itself would know. */
export interface InstanceView {
  readonly id: string;
  readonly state: InstanceState;
  /** Private DNS name: the name of its Node. */
  readonly name: string;
  readonly privateIp: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  readonly zone: string;
  readonly architecture: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly maxPods: number;
  readonly rootVolumeGiB: number;
  /** Extended resources of its devices, as in {"nvidia.com/gpu": 1}. */
  readonly devices: Readonly<Record<string, number>>;
  readonly devicesDelayMs: number;
  /** When it is due to join the cluster, in milliseconds since 1970; null if it never will. */
  readonly joinsAt: number | null;
  /** Whether it runs and its time to join has come. */
  readonly hasJoined: boolean;
  /** Base64. */
  readonly userData: string;
  readonly tags: Readonly<Record<string, string>>;
}

export type FaultChange = {
  readonly [K in keyof FaultSettings]?: K extends 'delays'
    ? Partial<FaultSettings['delays']>
    : FaultSettings[K];
};
