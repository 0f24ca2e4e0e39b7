import { readFileSync } from 'node:fs';
import { run } from './command.ts';

/** The places below `dir` where something is mounted, the deepest and latest first. */
export function mountsBelow(dir: string, mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .flatMap((line) => {
      const place = line.split(' ')[4];
      return place === undefined
        ? []
        : [place.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)))];
    })
    .filter((place) => place.startsWith(`${dir}/`))
    .reverse();
}

/** Unmounts everything below `dir`, but for one place. */
export async function removeMounts(dir: string, except: string): Promise<void> {
  for (const place of mountsBelow(dir, readFileSync('/proc/self/mountinfo', 'utf8'))) {
    if (place !== except) await run(['umount', '--lazy', place]);
  }
}
