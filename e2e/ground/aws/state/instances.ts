import type { CapacityType, MachineType } from '../catalogue/catalogue.ts';
import type { Faults } from '../faults.ts';
import { AwsError } from '../protocol/errors.ts';
import { hexOf } from '../random.ts';
import { type Network, SUBNET_SIZE, type Subnet } from './network.ts';

export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated';

/** The numbers that EC2 gives its states. */
export const STATE_CODES: Readonly<Record<InstanceState, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
};

/** The reason for an instance's end, in EC2's words. */
export type StateReason =
  | 'Client.UserInitiatedShutdown'
  | 'Server.SpotInstanceTermination'
  | 'Server.InternalError';

/** One instance. Times in milliseconds since 1970; its state follows from them. */
export interface Instance {
  readonly id: string;
  readonly type: MachineType;
  readonly capacityType: CapacityType;
  readonly subnet: Subnet;
  readonly privateIp: string;
  readonly privateDnsName: string;
  readonly imageId: string;
  readonly securityGroupIds: readonly string[];
  readonly tags: Map<string, string>;
  readonly userData: string;
  readonly rootVolumeGiB: number;
  readonly launchedAt: number;
  readonly runningAt: number;
  /** When its kubelet starts, or undefined if it never does. */
  readonly joinsAt: number | undefined;
  readonly devicesDelayMs: number;
  /** When it begins to shut down, if that is known. */
  readonly endsAt: number | undefined;
  readonly shutdownMs: number;
  readonly stateReason: StateReason | undefined;
}

export const stateOf = (instance: Instance, now: number): InstanceState => {
  const { endsAt, shutdownMs, runningAt } = instance;
  if (endsAt !== undefined && now >= endsAt)
    return now >= endsAt + shutdownMs ? 'terminated' : 'shutting-down';
  return now >= runningAt ? 'running' : 'pending';
};

export interface LaunchRequest {
  readonly type: MachineType;
  readonly capacityType: CapacityType;
  readonly subnet: Subnet;
  readonly imageId: string;
  readonly securityGroupIds: readonly string[];
  readonly tags: ReadonlyMap<string, string>;
  readonly userData: string;
  readonly rootVolumeGiB: number;
}

export interface Instances {
  /** All instances that EC2 would still show, ordered by id. */
  list(): readonly Instance[];
  /** Throws InvalidInstanceID.Malformed or .NotFound. */
  get(id: string): Instance;
  launch(request: LaunchRequest): Instance;
  /** Schedules the end of an instance, unless an earlier one is scheduled. Returns the instance as it is then. */
  end(id: string, at: number, reason: StateReason): Instance;
}

/** How long EC2 still shows an instance after its end. */
const SHOWN_AFTER_END_MS = 60 * 60_000;

export const createInstances = (options: {
  readonly region: string;
  readonly seed: number;
  readonly now: () => number;
  readonly faults: Faults;
  readonly network: Network;
  readonly shouldReuseAddresses: boolean;
}): Instances => {
  const { region, seed, now, faults, shouldReuseAddresses } = options;
  const all = new Map<string, Instance>();
  const given = new Map<string, number>();
  let launches = 0;

  const freedAddress = (subnet: Subnet): string | undefined => {
    const inUse = new Set<string>();
    const freed: string[] = [];
    for (const each of all.values())
      if (stateOf(each, now()) !== 'terminated') inUse.add(each.privateIp);
      else if (each.subnet.id === subnet.id) freed.push(each.privateIp);
    return freed.find((ip) => !inUse.has(ip));
  };

  const addressIn = (subnet: Subnet): string => {
    const freed = shouldReuseAddresses ? freedAddress(subnet) : undefined;
    if (freed !== undefined) return freed;
    const next = (given.get(subnet.id) ?? 3) + 1;
    if (next > SUBNET_SIZE)
      throw new AwsError(
        'InsufficientFreeAddressesInSubnet',
        `There are not enough free addresses in ${subnet.id}.`,
      );
    given.set(subnet.id, next);
    return `${subnet.prefix}.${next >> 8}.${next & 255}`;
  };

  const get = (id: string): Instance => {
    if (!/^i-[0-9a-f]{8,17}$/.test(id))
      throw new AwsError('InvalidInstanceID.Malformed', `Invalid id: "${id}"`);
    const found = all.get(id);
    if (found === undefined)
      throw new AwsError('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`);
    return found;
  };

  return {
    get,
    list: () => {
      for (const [id, each] of all)
        if (each.endsAt !== undefined && now() > each.endsAt + SHOWN_AFTER_END_MS) all.delete(id);
      return [...all.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    launch: (request) => {
      const { delays } = faults.read();
      const privateIp = addressIn(request.subnet);
      launches += 1;
      const id = `i-0${hexOf(16, 'instance', seed, launches)}`;
      const runningAt = now() + delays.launchMs;
      const instance: Instance = {
        ...request,
        id,
        tags: new Map(request.tags),
        privateIp,
        privateDnsName: `ip-${privateIp.replaceAll('.', '-')}.${region}.compute.internal`,
        launchedAt: now(),
        runningAt,
        joinsAt: faults.takeNoJoin(request.type.name) ? undefined : runningAt + delays.joinMs,
        devicesDelayMs: delays.devicesMs,
        endsAt: undefined,
        shutdownMs: delays.shutdownMs,
        stateReason: undefined,
      };
      all.set(id, instance);
      return instance;
    },
    end: (id, at, reason) => {
      const instance = get(id);
      if (instance.endsAt !== undefined && instance.endsAt <= at) return instance;
      const { shutdownMs } = faults.read().delays;
      const ended: Instance = { ...instance, endsAt: at, shutdownMs, stateReason: reason };
      all.set(id, ended);
      return ended;
    },
  };
};
