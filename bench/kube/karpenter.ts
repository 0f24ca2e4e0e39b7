import { setTimeout as sleep } from 'node:timers/promises';
import type { Ground } from '../../e2e/ground/ground.ts';
import type { GroundProcess } from '../../e2e/ground/host/processes.ts';
import { suspend } from '../../e2e/ground/suspend.ts';
import { accountOf } from './processes.ts';

export interface KarpenterResult {
  readonly seconds: number;
  readonly rssMB: number;
  readonly peakMB: number;
  readonly cpuPercent: number;
}

const METRICS_PORT = 19_202;
const SYNC_DEADLINE_MS = 600_000;

/** Stops the ground's Karpenter; the returned function starts it again as before and measures it. */
export const stopKarpenter = async (ground: Ground): Promise<() => Promise<KarpenterResult>> => {
  const start = await suspend(ground, 'karpenter');
  return () => startAndMeasure(ground, start);
};

const isSynced = async (ground: Ground): Promise<boolean> => {
  try {
    const response = await fetch(`http://${ground.address}:${METRICS_PORT}/metrics`);
    return /^karpenter_cluster_state_synced(\{.*\})? 1$/m.test(await response.text());
  } catch {
    return false;
  }
};

const startAndMeasure = async (ground: Ground, start: () => GroundProcess): Promise<KarpenterResult> => {
  const since = performance.now();
  const { pid } = start();
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
