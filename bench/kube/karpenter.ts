import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ground } from '../../e2e/ground/ground.ts';
import { accountOf } from './processes.ts';

export interface KarpenterResult {
  readonly seconds: number;
  readonly rssMB: number;
  readonly peakMB: number;
  readonly cpuPercent: number;
}

const METRICS_PORT = 19_202;
const SYNC_DEADLINE_MS = 600_000;

const partsOf = (pid: number, file: string): string[] =>
  readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').slice(0, -1);

/** How Karpenter is started on this ground: taken from the one that runs, which is then stopped. */
export const stopKarpenter = async (ground: Ground): Promise<() => Promise<KarpenterResult>> => {
  const running = ground.processes().find((p) => p.name === 'karpenter');
  if (!running) throw new Error('the ground has no Karpenter');
  const argv = partsOf(running.pid, 'cmdline');
  const env = Object.fromEntries(
    partsOf(running.pid, 'environ').map((pair): [string, string] => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
  await ground.stopProcess('karpenter');
  return () => startAndMeasure(ground, argv, env);
};

const isSynced = async (ground: Ground): Promise<boolean> => {
  try {
    const response = await fetch(`http://${ground.address}:${METRICS_PORT}/metrics`);
    return /^karpenter_cluster_state_synced(\{.*\})? 1$/m.test(await response.text());
  } catch {
    return false;
  }
};

const startAndMeasure = async (
  ground: Ground,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<KarpenterResult> => {
  const since = performance.now();
  const { pid } = ground.addProcess({ name: 'karpenter', argv, env });
  while (!(await isSynced(ground))) {
    if (performance.now() - since > SYNC_DEADLINE_MS)
      throw new Error('Karpenter has not synced in ten minutes');
    await sleep(100);
  }
  const seconds = (performance.now() - since) / 1000;
  await sleep(10_000);
  const before = accountOf(pid);
  await sleep(10_000);
  const { rssMB, peakMB, cpuSeconds } = accountOf(pid);
  const result = { seconds, rssMB, peakMB, cpuPercent: (cpuSeconds - before.cpuSeconds) * 10 };
  await ground.stopProcess('karpenter');
  return result;
};
