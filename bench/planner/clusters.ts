import type { Snapshot } from '../../planner/model/snapshot.ts';
import { randomFrom } from '../../planner/search/random.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';

const KINDS = [
  { type: 'm5.xlarge', cpu: 3900, memory: 15_000 },
  { type: 'm5.2xlarge', cpu: 7900, memory: 31_000 },
  { type: 'c5.2xlarge', cpu: 7900, memory: 15_000 },
  { type: 'r5.xlarge', cpu: 3900, memory: 31_000 },
  { type: 'm5.4xlarge', cpu: 15_900, memory: 63_000 },
] as const;
const CPUS = [50, 100, 200, 250, 500, 1000];
const MEMORIES = [128, 256, 512, 1024, 2048];

/** A cluster with its pods scattered over its nodes, from a seed. */
export const scatteredCluster = (nodes: number, pods: number, seed: number): Snapshot => {
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const hosts = Array.from({ length: nodes }, (_, n) => {
    const kind = pick(KINDS);
    const zone = `us-west-2${'abc'[n % 3]}`;
    return {
      ...makeNode(`node-${n}`, { ...kind, pods: 110, zone }),
      cpu: kind.cpu as number,
      memory: kind.memory as number,
    };
  });
  const apps = Array.from({ length: 300 }, (_, n) => ({
    app: `app-${n}`,
    cpu: pick(CPUS),
    memory: pick(MEMORIES),
  }));
  const placed = [];
  for (let n = 0; n < pods; n += 1) {
    const app = pick(apps);
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const host = pick(hosts);
      if (host.cpu < app.cpu || host.memory < app.memory) continue;
      host.cpu -= app.cpu;
      host.memory -= app.memory;
      placed.push(makePod(`pod-${n}`, { ...app, node: host.node.metadata.name }));
      break;
    }
  }
  return makeSnapshot(hosts, placed);
};
