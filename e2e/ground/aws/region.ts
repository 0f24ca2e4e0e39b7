import type { MachineType } from './catalogue/catalogue.ts';
import { createFaults, type Faults } from './faults.ts';
import type { Commitments } from './state/commitments.ts';
import { createInstanceProfiles, type InstanceProfiles } from './state/instanceprofiles.ts';
import { createInstances, type Instances } from './state/instances.ts';
import { createLaunchTemplates, type LaunchTemplates } from './state/launchtemplates.ts';
import { createNetwork, type Network } from './state/network.ts';
import type { PlacementScoreState } from './state/placementscores.ts';
import { createQueue, type Queue } from './state/queue.ts';
import { createSpotMarket, type SpotMarket } from './state/spotmarket.ts';
import type { ZonalShiftStates } from './state/zonalshifts.ts';

/** The cluster in the answer to DescribeCluster. */
export interface ClusterFacts {
  readonly name: string;
  /** URL of the API server. */
  readonly endpoint: string;
  /** Major and minor, as in '1.36'. */
  readonly version: string;
  readonly serviceCidr: string;
  /** PEM, base64-encoded. */
  readonly certificateAuthority: string;
}

export interface RegionOptions {
  readonly name: string;
  readonly zones: readonly string[];
  readonly types: ReadonlyMap<string, MachineType>;
  readonly cluster: ClusterFacts;
  readonly seed: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly shouldReuseAddresses: boolean;
}

/** All state of the region, which the services read and change. */
export interface Region {
  readonly name: string;
  readonly account: string;
  readonly zones: readonly string[];
  readonly types: ReadonlyMap<string, MachineType>;
  readonly cluster: ClusterFacts;
  readonly now: () => number;
  readonly faults: Faults;
  readonly instances: Instances;
  readonly launchTemplates: LaunchTemplates;
  readonly network: Network;
  readonly instanceProfiles: InstanceProfiles;
  /** Karpenter's interruption queue. */
  readonly queue: Queue;
  /** The queue of our own, which gets the same notices. */
  readonly predictionQueue: Queue;
  readonly market: SpotMarket;
  readonly commitments: Commitments;
  readonly zonalShifts: ZonalShiftStates;
  readonly placementScores: PlacementScoreState;
}

export const createRegion = (options: RegionOptions): Region => {
  const { name, zones, types, cluster, seed, now, shouldReuseAddresses } = options;
  const faults = createFaults();
  const network = createNetwork({ region: name, zones, clusterName: cluster.name });
  return {
    name,
    account: '000000000000',
    zones,
    types,
    cluster,
    now,
    faults,
    network,
    instances: createInstances({ region: name, seed, now, faults, network, shouldReuseAddresses }),
    launchTemplates: createLaunchTemplates(now),
    instanceProfiles: createInstanceProfiles(now),
    queue: createQueue(now),
    predictionQueue: createQueue(now),
    market: createSpotMarket(seed, now),
    commitments: { capacity: [], savingsPlans: [], reserved: [] },
    zonalShifts: { isRegistered: true, shifts: [], autoshifts: [] },
    placementScores: { isServed: true, mostConfigurations: 10, given: [], answered: 0, used: new Map() },
  };
};
