import type { NodeClaim, Pod, Requirement } from '../../api/objects.ts';
import { type InFlightClaim, requestsOf } from '../karpenter/inflightclaim.ts';
import { nodeInfoOf } from '../scheduling/nodeinfo.ts';
import { podRequests } from '../scheduling/noderesources.ts';
import { randomFrom } from '../search/random.ts';
import { makeNode, makePod } from './builders.ts';

/** Bursts of pods and what Karpenter's provisioner buys for them, for tests and benchmarks. */

export const BURST_ZONES = ['us-west-2a', 'us-west-2b', 'us-west-2c'] as const;
const ZONE_LABEL = 'topology.kubernetes.io/zone';
const CPUS = [100, 200, 250, 500, 500, 1000, 1500, 2000] as const;
const GIB_PER_CPU = [0.5, 1, 2, 2, 4, 7] as const;

/** One Deployment of a burst. CPU in millicores, memory in MiB. */
export interface BurstApp {
  readonly name: string;
  readonly replicas: number;
  readonly cpu: number;
  readonly memory: number;
  /** The zone that it is tied to; undefined for any. */
  readonly zone: string | undefined;
}

/** Mixed Deployments with this many pods together: one in four is tied to a zone. The same seed makes the same burst. */
export const burstOf = (pods: number, seed: number): readonly BurstApp[] => {
  const random = randomFrom(seed);
  const pick = <T>(from: readonly [T, ...T[]]): T => from[Math.floor(random() * from.length)] ?? from[0];
  const apps: BurstApp[] = [];
  for (let left = pods; left > 0; ) {
    const replicas = Math.min(left, 2 + Math.floor(random() * 18));
    const cpu = pick(CPUS);
    const memory = Math.max(64, Math.round((cpu / 1000) * pick(GIB_PER_CPU) * 1024));
    const zone = random() < 0.25 ? pick(BURST_ZONES) : undefined;
    apps.push({ name: `app-${apps.length}`, replicas, cpu, memory, zone });
    left -= replicas;
  }
  return apps;
};

export const podsOfBurst = (apps: readonly BurstApp[]): readonly Pod[] =>
  apps.flatMap(({ name, replicas, cpu, memory, zone }) =>
    Array.from({ length: replicas }, (_, i) =>
      makePod(`${name}-${i}`, {
        app: name,
        cpu,
        memory,
        ...(zone !== undefined && { spec: { nodeSelector: { [ZONE_LABEL]: zone } } }),
      }),
    ),
  );

/** A machine's room for pods, in millicores and MiB. */
interface MachineType {
  readonly cpu: number;
  readonly memory: number;
  readonly pods: number;
  /** USD per hour. */
  readonly price: number;
}

/** Three families of three sizes with the room that AWS leaves, cheapest first. */
const MACHINE_TYPES: readonly MachineType[] = [
  { cpu: 3920, memory: 6584, pods: 58, price: 0.17 },
  { cpu: 3920, memory: 14_162, pods: 58, price: 0.192 },
  { cpu: 3920, memory: 29_317, pods: 58, price: 0.252 },
  { cpu: 7910, memory: 14_162, pods: 58, price: 0.34 },
  { cpu: 7910, memory: 29_317, pods: 58, price: 0.384 },
  { cpu: 7910, memory: 59_500, pods: 58, price: 0.504 },
  { cpu: 15_890, memory: 27_381, pods: 234, price: 0.68 },
  { cpu: 15_890, memory: 57_691, pods: 234, price: 0.768 },
  { cpu: 15_890, memory: 118_312, pods: 234, price: 1.008 },
];

/** One claim of a purchase, and the pods that it was bought for. */
export interface BoughtClaim {
  readonly claim: NodeClaim;
  readonly pods: readonly Pod[];
  readonly price: number;
  readonly beforeLaunch: InFlightClaim;
  readonly launched: InFlightClaim;
}

interface OpenClaim {
  readonly pods: Pod[];
  cpu: number;
  memory: number;
  types: readonly MachineType[];
  zones: readonly string[];
}

const MIB = 2 ** 20;

const boughtClaimOf = (open: OpenClaim, name: string, zone: string): BoughtClaim => {
  const [type] = open.types;
  if (type === undefined) throw new Error(`no machine holds the pods of ${name}`);
  const { node, claim: made } = makeNode(name, { ...type, zone });
  const requirements: Requirement[] = [{ key: ZONE_LABEL, operator: 'In', values: [...open.zones] }];
  const requests = { cpu: `${open.cpu}m`, memory: `${open.memory}Mi`, pods: `${open.pods.length}` };
  const claim: NodeClaim = {
    ...made,
    metadata: { ...made.metadata, name },
    spec: { ...made.spec, requirements, resources: { requests } },
  };
  const budget = requestsOf(claim);
  return {
    claim,
    pods: open.pods,
    price: type.price,
    beforeLaunch: { claim, budget, node: undefined },
    launched: { claim, budget: new Map(budget), node: nodeInfoOf(node, []) },
  };
};

/**
 * Buys for one batch of pods as Karpenter does: largest pod first, to the claim with the fewest pods that can take it,
 * else to a new one. Above twelve claims its sort is not stable, so the seed decides between claims with equally many
 * pods. The cheapest machine is launched, in one of the zones that the pods leave.
 */
export const purchase = (pods: readonly Pod[], seed: number): readonly BoughtClaim[] => {
  const random = randomFrom(seed);
  const queue = pods
    .map((pod) => {
      const requests = podRequests(pod);
      const [cpu, memory] = [requests.get('cpu') ?? 0, (requests.get('memory') ?? 0) / MIB];
      return { pod, cpu, memory, zone: pod.spec.nodeSelector?.[ZONE_LABEL], tie: random() };
    })
    .sort((a, b) => b.cpu - a.cpu || b.memory - a.memory || a.tie - b.tie);
  let claims: OpenClaim[] = [];
  for (const { pod, cpu, memory, zone } of queue) {
    const isStable = claims.length <= 12;
    claims = claims
      .map((claim) => ({ claim, tie: isStable ? 0 : random() }))
      .sort((a, b) => a.claim.pods.length - b.claim.pods.length || a.tie - b.tie)
      .map(({ claim }) => claim);
    const fresh: OpenClaim = { pods: [], cpu: 0, memory: 0, types: MACHINE_TYPES, zones: BURST_ZONES };
    const typesWith = (claim: OpenClaim): readonly MachineType[] =>
      zone !== undefined && !claim.zones.includes(zone)
        ? []
        : claim.types.filter(
            (type) =>
              type.cpu >= claim.cpu + cpu &&
              type.memory >= claim.memory + memory &&
              type.pods > claim.pods.length,
          );
    const host = claims.find((claim) => typesWith(claim).length > 0) ?? fresh;
    host.types = typesWith(host);
    if (zone !== undefined) host.zones = [zone];
    host.pods.push(pod);
    host.cpu += cpu;
    host.memory += memory;
    if (host === fresh) claims.push(fresh);
  }
  return claims.map((claim, i) => {
    const zone = claim.zones[Math.floor(random() * claim.zones.length)] ?? BURST_ZONES[0];
    return boughtClaimOf(claim, `claim-${String(i).padStart(3, '0')}`, zone);
  });
};
