import { existsSync, readFileSync } from 'node:fs';
import type { Pod } from '../../api/objects.ts';
import { randomFrom } from '../../planner/search/random.ts';
import { makePod } from '../../planner/testing/builders.ts';

/** Pods to place, made from one seed. */
export interface Instance {
  readonly name: string;
  readonly pods: readonly Pod[];
  /** Whether pods have rules about each other. */
  readonly isRuled: boolean;
}

export type Kind = 'trace' | 'diverse' | 'workloads' | 'ruled';

interface Row {
  readonly cpu: number;
  readonly memory: number;
}

/** CPU pods of the Alibaba trace, in millicores and MiB; undefined when the file is missing. */
export const readTrace = (file: string): readonly Row[] | undefined => {
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8').trim().split('\n').slice(1);
  return lines.flatMap((line) => {
    const [, cpu, memory, gpus] = line.split(',');
    return gpus === '0' ? [{ cpu: Number(cpu), memory: Number(memory) }] : [];
  });
};

const between = (random: () => number, low: number, high: number): number =>
  Math.round(Math.exp(Math.log(low) + random() * (Math.log(high) - Math.log(low))));

/** Requests as people write them: round numbers. */
const roundSize = (random: () => number): Row => {
  const cpus = [50, 100, 100, 200, 250, 500, 500, 1000, 1000, 2000, 4000];
  const perCpu = [0.5, 1, 1, 2, 2, 4, 4, 8];
  const cpu = cpus[Math.floor(random() * cpus.length)] ?? 100;
  const ratio = perCpu[Math.floor(random() * perCpu.length)] ?? 2;
  return { cpu, memory: Math.max(64, Math.round((cpu / 1000) * ratio * 1024)) };
};

const ruledSpec = (n: number, app: string) => {
  const labelSelector = { matchLabels: { app } };
  switch (n % 4) {
    case 0:
      return {
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: 'topology.kubernetes.io/zone',
            whenUnsatisfiable: 'DoNotSchedule' as const,
            labelSelector,
          },
        ],
      };
    case 1:
      return {
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { topologyKey: 'kubernetes.io/hostname', labelSelector },
            ],
          },
        },
      };
    default:
      return {};
  }
};

/** An instance of `count` pods; kind 'trace' needs the rows of the trace. */
export const instanceOf = (
  kind: Kind,
  count: number,
  seed: number,
  trace: readonly Row[] | undefined,
): Instance => {
  const random = randomFrom(seed * 7919 + count);
  const apps = Array.from({ length: Math.max(4, Math.round(count / 25)) }, () => roundSize(random));
  const pods = Array.from({ length: count }, (_, n): Pod => {
    const index = Math.floor(random() * apps.length);
    const app = `app-${index}`;
    let size: Row = apps[index] ?? { cpu: 100, memory: 128 };
    if (kind === 'diverse') size = { cpu: between(random, 50, 6000), memory: between(random, 64, 24_000) };
    if (kind === 'trace') size = trace?.[Math.floor(random() * trace.length)] ?? size;
    return makePod(`pod-${n}`, { ...size, app, spec: kind === 'ruled' ? ruledSpec(index, app) : {} });
  });
  return { name: `${kind} ${count} #${seed}`, pods, isRuled: kind === 'ruled' };
};
