import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { until } from '../ready.ts';

const ROOT = '/sys/fs/cgroup';

/** The cgroup of all pods of the ground, below every controller's root; each ground's folder has its own. */
export function cgroupOf(dir: string): string {
  return `/precision-packer/${basename(dir)}-${createHash('sha256').update(dir).digest('hex').slice(0, 8)}`;
}

/** Makes the cgroup below every hierarchy that the machine has (one with version 2, one a controller with version 1). */
export function createCgroup(cgroup: string): void {
  for (const hierarchy of hierarchies()) {
    mkdirSync(join(hierarchy, cgroup), { recursive: true });
    if (existsSync(join(hierarchy, 'cgroup.controllers'))) delegate(hierarchy, cgroup);
  }
}

/** Paths of the cgroup, one for every hierarchy that has it. */
export function cgroupFolders(cgroup: string): string[] {
  return hierarchies().flatMap((hierarchy) =>
    existsSync(join(hierarchy, cgroup)) ? [join(hierarchy, cgroup)] : [],
  );
}

/** All processes in the cgroup and those below it. */
export function processesIn(cgroup: string): { pid: number; startTicks: string }[] {
  const pids = new Set(
    hierarchies().flatMap((hierarchy) =>
      withChildren(join(hierarchy, cgroup)).flatMap((path) =>
        readLines(join(path, 'cgroup.procs')).map(Number),
      ),
    ),
  );
  return [...pids].flatMap((pid) => {
    const stat = readLines(`/proc/${pid}/stat`).join('\n');
    const startTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return startTicks === undefined ? [] : [{ pid, startTicks }];
  });
}

/** Removes the cgroup, those below it, and the folder above it if that was the last. Its processes must be gone. */
export async function removeCgroups(cgroup: string): Promise<void> {
  for (const hierarchy of hierarchies()) {
    for (const path of withChildren(join(hierarchy, cgroup)).reverse()) {
      // The kernel takes a moment to release processes that have just ended.
      await until(`${path} is removed`, 30_000, async () => removeOne(path));
    }
    const parent = join(hierarchy, cgroup, '..');
    if (existsSync(parent) && parent !== hierarchy && subfolders(parent).length === 0) removeOne(parent);
  }
}

function removeOne(path: string): boolean {
  if (!existsSync(path)) return true;
  rmdirSync(path);
  return true;
}

function hierarchies(): string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT];
  return subfolders(ROOT).filter((path) => existsSync(join(path, 'cgroup.procs')));
}

// With version 2, a group has only the controllers that its parent passes down.
function delegate(hierarchy: string, cgroup: string): void {
  const controllers = readLines(join(hierarchy, 'cgroup.controllers')).join(' ').split(' ').filter(Boolean);
  const parts = cgroup.split('/').filter(Boolean);
  for (let depth = 0; depth < parts.length; depth++) {
    const control = join(hierarchy, ...parts.slice(0, depth), 'cgroup.subtree_control');
    for (const controller of controllers) {
      try {
        writeFileSync(control, `+${controller}`);
      } catch {
        // A controller that can't be handed down is one that the kubelet does without or names itself.
      }
    }
  }
}

function withChildren(path: string): string[] {
  if (!existsSync(path)) return [];
  return [path, ...subfolders(path).flatMap(withChildren)];
}

function subfolders(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [join(path, entry.name)] : [],
  );
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
