import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { run, searchPath } from '../host/command.ts';
import type { Progress } from '../host/progress.ts';

/** A program of the machine that the ground uses. */
export interface Tool {
  readonly what: string;
  readonly debianPackage: string;
  isThere(path: string): boolean;
}

const CONTROL_PLANE: readonly Tool[] = [
  program('ip', 'iproute2'),
  program('nsenter', 'util-linux'),
  program('unshare', 'util-linux'),
  program('flock', 'util-linux'),
];

const REAL_NODE: readonly Tool[] = [
  program('iptables', 'iptables'),
  program('gcc', 'gcc'),
  program('pkg-config', 'pkg-config'),
  {
    what: 'libseccomp with its headers',
    debianPackage: 'libseccomp-dev',
    isThere: () => ['/usr/include/seccomp.h', '/usr/local/include/seccomp.h'].some((file) => isFile(file)),
  },
  { what: 'libc headers', debianPackage: 'libc6-dev', isThere: () => isFile('/usr/include/stdio.h') },
];

/** The tools that a ground with or without a real node uses. */
export function toolsFor(realNode: boolean): readonly Tool[] {
  return realNode ? [...CONTROL_PLANE, ...REAL_NODE] : CONTROL_PLANE;
}

/** Installs missing tools where that needs no question (root on Debian) and says so in one line. Throws otherwise. */
export async function requireTools(
  tools: readonly Tool[],
  progress: Progress,
  canInstall = isRootOnDebian(),
): Promise<void> {
  const missing = missingTools(tools);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => tool.debianPackage))].join(' ');
  if (!canInstall) {
    throw new Error(
      `missing: ${missing.map((tool) => tool.what).join(', ')}; install (Debian's names): ${packages}`,
    );
  }
  await progress.during(`apt-get install ${packages}`, async () => {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run(['apt-get', 'update', '-qq'], { env });
    await run(
      [
        'apt-get',
        'install',
        '-qq',
        '--option=DPkg::Lock::Timeout=300',
        '--yes',
        '--no-install-recommends',
        ...packages.split(' '),
      ],
      {
        env,
      },
    );
  });
  const still = missingTools(tools);
  if (still.length > 0) throw new Error(`still missing: ${still.map((tool) => tool.what).join(', ')}`);
}

function isRootOnDebian(): boolean {
  return process.getuid?.() === 0 && program('apt-get', '').isThere(searchPath());
}

function missingTools(tools: readonly Tool[]): Tool[] {
  return tools.filter((tool) => !tool.isThere(searchPath()));
}

function program(name: string, debianPackage: string): Tool {
  const isThere = (path: string) => path.split(':').some((dir) => isFile(join(dir, name)));
  return { what: name, debianPackage, isThere };
}

function isFile(path: string): boolean {
  try {
    accessSync(path, constants.F_OK);
    return true;
  } catch {
    return false;
  }
}
