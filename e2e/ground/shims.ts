import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const SOCKETS = '/run/containerd/s';

/** Removes the sockets of the ground's containerd shims: the one thing that containerd keeps outside of its own folders. */
export function removeShimSockets(dir: string): void {
  for (const socket of shimSockets(join(dir, 'node', 'containerd', 'state'))) rmSync(socket, { force: true });
  for (const folder of [SOCKETS, '/run/containerd']) {
    try {
      rmdirSync(folder);
    } catch {
      // Another containerd's sockets are there, or the folder never was.
    }
  }
}

function shimSockets(state: string): string[] {
  let files: string[];
  try {
    files = readdirSync(state, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
  return files
    .filter((file) => /\/(bootstrap\.json|address)$/.test(file))
    .flatMap((file) => {
      try {
        const found = /unix:\/\/([^"\s]+)/.exec(readFileSync(join(state, file), 'utf8'))?.[1];
        return found?.startsWith(`${SOCKETS}/`) ? [found] : [];
      } catch {
        return [];
      }
    });
}
