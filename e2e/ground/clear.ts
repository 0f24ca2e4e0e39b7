import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { removeKind } from './backends/kindcluster.ts';
import { removeNetwork } from './host/network.ts';
import { markedProcesses, recordedProcesses, stopProcesses } from './host/processes.ts';
import { cgroupOf, processesIn, removeCgroups } from './node/cgroups.ts';
import { removeMounts } from './node/mounts.ts';
import { readRecord } from './record.ts';

const GRACE_MS = 5_000;

// Kept for the next ground of that name (certificates) and for readers (logs).
const KEPT = new Set(['logs', 'logs.previous', 'pki', 'last.json']);

/**
 * Ends and removes everything of a ground in any state: running, half up, half down, or killed hard. Logs and
 * certificates stay; without a ground it does nothing. `graceMs` is the time for a process to end by itself.
 */
export async function clearGround(dir: string, graceMs = GRACE_MS): Promise<void> {
  if (!existsSync(dir)) return;
  const record = readRecord(dir);
  const cgroup = record?.cgroup ?? cgroupOf(dir);
  const recorded = recordedProcesses(dir);
  // It would start nodes again that end before it, and takes long to end them itself.
  await stopProcesses(
    recorded.filter((one) => one.name === 'dockerd'),
    0,
  );
  // The API server does not end cleanly without etcd.
  await stopProcesses(
    recorded.filter((one) => one.name !== 'etcd'),
    graceMs,
  );
  await stopProcesses(recorded, graceMs);
  await stopProcesses(markedProcesses(dir), 0);
  await stopProcesses(processesIn(cgroup), 0);
  // A shim that ends may have left another one behind.
  await stopProcesses(markedProcesses(dir), 0);
  await removeMounts(dir, join(dir, 'netns'));
  await removeCgroups(cgroup);
  if (record?.backend === 'kind') await removeKind(record);
  await removeNetwork(join(dir, 'netns'), record?.link || undefined);
  if (record !== undefined) renameSync(join(dir, 'ground.json'), join(dir, 'last.json'));
  for (const name of readdirSync(dir)) {
    if (!KEPT.has(name)) rmSync(join(dir, name), { recursive: true, force: true });
  }
}

/** Keeps the last run's logs aside until the run after the next. */
export function rotateLogs(dir: string): void {
  const logs = join(dir, 'logs');
  if (existsSync(logs)) {
    rmSync(join(dir, 'logs.previous'), { recursive: true, force: true });
    renameSync(logs, join(dir, 'logs.previous'));
  }
  mkdirSync(logs, { recursive: true });
}
