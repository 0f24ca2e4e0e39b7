import type { Catalogue, InstanceType } from '../../planner/model/catalogue.ts';
import { randomFrom } from '../../planner/search/random.ts';

/** One Deployment after it was scaled down. CPU in millicores, memory in MiB. */
export interface Workload {
  readonly name: string;
  readonly cpu: number;
  readonly memory: number;
  readonly replicas: number;
}

/** One machine, and how many pods of each Deployment still run on it. */
export interface Machine {
  readonly name: string;
  readonly instanceType: string;
  readonly zone: string;
  readonly pods: ReadonlyMap<string, number>;
}

export interface Fragments {
  readonly workloads: readonly Workload[];
  readonly machines: readonly Machine[];
}

const MIB = 1024 * 1024;
const ZONES = ['us-west-2a', 'us-west-2b', 'us-west-2c'] as const;
/** Shares of the mean pod: a few large, many small, as people write them. */
const CPU_PARTS = [0.3, 0.4, 0.4, 0.7, 0.7, 1, 1, 1.5, 2, 3];
const MIB_A_MILLICORE = [0.5, 1, 1, 2, 2, 4, 4, 8];
/** Smallest and largest share of the replicas that a scale-down leaves. */
const KEPT = [0.1, 0.7] as const;
const WAVES = 6;
/** Mean share of a full machine's CPU that pods request. */
const FILLED_MILLIS = 6_500;

type Size = Omit<Workload, 'replicas'>;

/** Free resources of a machine. */
interface Room {
  cpu: number;
  memory: number;
  pods: number;
}

interface Option {
  readonly type: InstanceType;
  readonly room: Room;
}

type Bought = Option & { readonly held: string[] };

const onDemand = (type: InstanceType): number =>
  Math.min(...type.offerings.filter((o) => o.capacityType === 'on-demand').map((o) => o.price));

const roomOf = ({ capacity, overhead }: InstanceType): Room => ({
  cpu: capacity.cpu - overhead.cpu,
  memory: (capacity.memory - overhead.memory) / MIB,
  pods: capacity.pods,
});

const put = (room: Room, w: Size): boolean => {
  if (room.cpu < w.cpu || room.memory < w.memory || room.pods < 1) return false;
  room.cpu -= w.cpu;
  room.memory -= w.memory;
  room.pods -= 1;
  return true;
};

/**
 * Karpenter's way to buy: pods by size onto a node while any type still holds them all, then the cheapest of those
 * types.
 */
const buy = (types: readonly InstanceType[], pods: readonly Size[]): Bought[] => {
  const bought: { options: Option[]; held: string[] }[] = [];
  const optionsFor = (options: readonly Option[], w: Size) =>
    options.map(({ type, room }) => ({ type, room: { ...room } })).filter(({ room }) => put(room, w));
  const fresh = types.map((type) => ({ type, room: roomOf(type) }));
  for (const pod of pods.toSorted((a, b) => b.cpu - a.cpu || b.memory - a.memory)) {
    const isPlaced = bought.some((node) => {
      const options = optionsFor(node.options, pod);
      if (options.length === 0) return false;
      node.options = options;
      node.held.push(pod.name);
      return true;
    });
    if (isPlaced) continue;
    const options = optionsFor(fresh, pod);
    if (options.length === 0) throw new Error(`no type holds a pod of ${pod.cpu}m and ${pod.memory}Mi`);
    bought.push({ options, held: [pod.name] });
  }
  const order = (a: { type: InstanceType }, b: { type: InstanceType }): number =>
    onDemand(a.type) - onDemand(b.type) || a.type.name.localeCompare(b.type.name);
  return bought.map(({ options, held }) => ({ ...(options.toSorted(order)[0] as Option), held }));
};

/**
 * A cluster that has grown and shrunk: pods of all Deployments arrive in waves and get machines where room is short,
 * then each Deployment is scaled down. The same seed gives the same cluster.
 */
export const fragmentsOf = (
  catalogue: Catalogue,
  o: { readonly nodes: number; readonly pods: number; readonly deployments: number; readonly seed: number },
): Fragments => {
  const random = randomFrom(o.seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const types = catalogue.instanceTypes.filter((type) => Number.isFinite(onDemand(type)));
  const share = (KEPT[0] + KEPT[1]) / 2;
  const meanCpu = (FILLED_MILLIS * o.nodes * share) / o.pods;
  const sizes = Array.from({ length: o.deployments }, (_, i): Size => {
    const cpu = Math.max(10, Math.round((meanCpu * pick(CPU_PARTS)) / 10) * 10);
    return { name: `app-${i + 1}`, cpu, memory: Math.max(32, Math.round(cpu * pick(MIB_A_MILLICORE))) };
  });
  // 1. Growth.
  const growing: Bought[] = [];
  while (growing.length < o.nodes) {
    const wave = Array.from({ length: Math.ceil(o.pods / share / WAVES) }, () => pick(sizes));
    const waiting = wave.filter((pod) => {
      const machine = growing.find(({ room }) => put(room, pod));
      machine?.held.push(pod.name);
      return machine === undefined;
    });
    growing.push(...buy(types, waiting).slice(0, o.nodes - growing.length));
  }
  // 2. Shrinking: each Deployment keeps its own share; chance decides which of its pods go.
  const held = growing.flatMap(({ held }, machine) =>
    held.map((name) => ({ name, machine, order: random() })),
  );
  const kept = new Map(sizes.map(({ name }) => [name, KEPT[0] + (KEPT[1] - KEPT[0]) * random()]));
  const weight = (p: (typeof held)[number]): number => p.order / (kept.get(p.name) ?? 1);
  const left = held.toSorted((a, b) => weight(a) - weight(b)).slice(0, o.pods);
  if (left.length < o.pods) throw new Error(`${o.nodes} machines hold ${left.length} pods, not ${o.pods}`);
  const podsOf = growing.map(() => new Map<string, number>());
  const replicas = new Map<string, number>();
  for (const { name, machine } of left) {
    const pods = podsOf[machine] as Map<string, number>;
    pods.set(name, (pods.get(name) ?? 0) + 1);
    replicas.set(name, (replicas.get(name) ?? 0) + 1);
  }
  return {
    workloads: sizes.flatMap((w) => {
      const count = replicas.get(w.name);
      return count === undefined ? [] : [{ ...w, replicas: count }];
    }),
    machines: growing.map(({ type }, i) => ({
      name: `old-${String(i + 1).padStart(3, '0')}`,
      instanceType: type.name,
      zone: ZONES[i % ZONES.length] as string,
      pods: podsOf[i] as Map<string, number>,
    })),
  };
};
